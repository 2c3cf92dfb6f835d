"""From a crossMoDA folder to segmented hrT2: both translators, their views, self-training, ensemble, scores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tanq_monai.adaptation.settings import Settings, settings_of
from tanq_monai.errors import InputError
from tanq_monai.files import check_output_dir
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.scans.layout import Scans, find_scans
from tanq_monai.segmentation.plan.plans import check_same_labels, read_structures
from tanq_monai.steps import SEGMENTER, TRANSLATOR, Step, bundle_step, run_steps
from tanq_monai.structures import STRUCTURES, Structures

TRAINED_VIEWS = {"tanq": "train", "cyclegan": ("train", "train_cyclegan"), "exemplar": ("train", "train_exemplar")}
"""The configs that train the translator of a view."""


@dataclass(frozen=True)
class Adaptation:
    """The commands of one adaptation, in order; all they make lies below ``root``.

    Attributes:
        scans: of the data set.
        root: of the output.
        settings: its size.
        seed: of all trainings.
        truth: labels of the test scans, for scores.
        target_truth: labels of ``scans.target``, only to watch the rounds of self-training.
        structures: names and label values.
    """

    scans: Scans
    root: Path
    settings: Settings
    seed: int = 0
    truth: Path | None = None
    target_truth: Path | None = None
    structures: Structures = STRUCTURES

    @property
    def segmented(self) -> Path:
        """The scans that are segmented in the end: those for testing, else those trained on."""
        return self.scans.test or self.scans.target

    @property
    def labels(self) -> Path:
        """Their labels."""
        return self.root / "labels"

    @property
    def report(self) -> Path:
        """The page about them."""
        return self.root / "segmentations.html"

    def steps(self) -> Iterator[Step]:
        """All commands."""
        for view in self.settings.views:
            if view in TRAINED_VIEWS:
                yield self.translator_training(view)
        if self.settings.views:
            yield self.translation(self.settings.views)
        if self.settings.rehearsal:
            yield self.virtual_patients()
        yield self.self_training()
        yield from self.segmentation("segment", self.root / "self_training" / "models", self.labels)
        truth = () if self.truth is None else ("--truth", str(self.truth))
        pages = ("--scans", self.segmented, "--pred", self.labels, "--output", self.report)
        words = (*map(str, pages), "--structures", str(self.structures.plain()), *truth)
        reads = (self.segmented, self.labels, *self._true(self.truth))
        yield Step("report", ("-m", "tanq_monai", "report", *words), reads=reads, writes=(self.report,))

    def translator_training(self, view: str, name: str | None = None, **choices: Any) -> Step:
        """Training of a view's translator, called ``name`` where it is not the view's only one.

        ``choices`` come in place of the size's own.
        """
        name = name or view
        own = {**self.settings.tanq, **self.settings.looks} if view == "tanq" else dict(self.settings.cyclegan)
        folders = {"source_dir": self.scans.source, "target_dir": self.scans.target, "output_dir": self.root / name}
        used = {**folders, **self._structures, "seed": self.seed, **self.settings.slices, **own, **choices}
        reads, writes = (self.scans.source, self.scans.target), (self.root / name / "models",)
        return bundle_step(f"train_{name}", TRANSLATOR, TRAINED_VIEWS[view], used, reads, writes)

    def translation(
        self,
        views: tuple[str, ...],
        name: str = "translated",
        trainings: Mapping[str, str] = MappingProxyType({}),
        **choices: Any,
    ) -> Step:
        """All labelled ceT1 in ``views``, as nnU-Net's raw data set ``name``.

        ``trainings`` names that of a view where it is not called as the view is; ``choices`` are further ones of
        ``multi_view.yaml``.
        """
        used = [view for view in TRAINED_VIEWS if view in views]
        models = {view: self.root / trainings.get(view, view) / "models" / "model.pt" for view in used}
        folders = {"dataset_dir": self.scans.source, "output_dir": self.root / name, "used_views": list(views)}
        files = {f"{view}_model_file": model for view, model in models.items()}
        styles = {key: value for key, value in self.settings.looks.items() if key == "styles"}
        given = {**folders, **files, **self._structures, **self.settings.slices, **styles, **choices}
        reads = (self.scans.source, *models.values())
        return bundle_step(f"make_{name}", TRANSLATOR, "multi_view", given, reads, writes=(self.root / name,))

    def virtual_patients(self) -> Step:
        """Patients of many hospitals, with labels; named as no scan of crossMoDA is."""
        words = {"output-dir": self.root / "virtual", "protocols": "hospitals", "size": "varied", "seed": self.seed}
        words |= {"num-source": 0, "num-target": 0, "num-test": 0, "paired": self.settings.rehearsal}
        typed = (word for name, value in words.items() for word in (f"--{name}", str(value)))
        return Step("virtual_patients", ("-m", "tanq_monai", "phantom", *typed), writes=(self.root / "virtual",))

    def self_training(self, name: str = "self_training", translated: str = "translated", **choices: Any) -> Step:
        """Segmenter on the data set ``translated``, or on virtual patients where none is; rounds of self-training.

        ``choices`` come in place of the size's own.
        """
        labelled = self.root / "virtual" / "paired" if self.settings.rehearsal else self.root / translated
        folders = {
            "dataset_dir": labelled,
            "target_dir": self.scans.target,
            "output_dir": self.root / name,
        }
        truth = {} if self.target_truth is None else {"truth_dir": self.target_truth}
        segmenter = {"training": dict(self.settings.segmenter)} if self.settings.segmenter else {}
        sizes = self.settings.self_training
        return bundle_step(
            f"train_{name}",
            SEGMENTER,
            "self_training",
            {**folders, **truth, **self._structures, "seed": self.seed, **segmenter, **sizes, **choices},
            reads=(labelled, self.scans.target, *self._true(self.target_truth)),
            writes=(self.root / name / "models",),
        )

    def segmentation(self, name: str, models: Path, labels: Path) -> Iterator[Step]:
        """Labels of the scans to segment, and where their truth is known the scores, in a folder beside the labels."""
        choices = {"dataset_dir": self.segmented, "ensemble_dir": models, "output_dir": labels, "uncertainty": True}
        choices["ears_first"] = self.settings.ears_first
        yield bundle_step(name, SEGMENTER, "ensemble", choices, reads=(self.segmented, models), writes=(labels,))
        if self.truth is not None:
            scores = labels.with_name(f"{labels.name}_scores")
            scoring = {"prediction_dir": labels, "truth_dir": self.truth, **self._structures, "output_dir": scores}
            reads = (labels, self.truth)
            yield bundle_step(f"{name}_score", SEGMENTER, "evaluate", scoring, reads, writes=(scores,))

    @staticmethod
    def _true(labels: Path | None) -> tuple[Path, ...]:
        return () if labels is None else (labels,)

    @property
    def _structures(self) -> dict[str, Any]:
        return {"structures": self.structures.plain()}


def check_starts_from(model_dir: Path, structures: Structures, size: str) -> None:
    """Raise :class:`InputError` unless the size's first segmenter has the structures of the run."""
    try:
        check_same_labels(model_dir / "dataset.json", structures)
    except InputError as error:
        problem = f"begins with weights of {read_structures(model_dir / 'dataset.json')}, the run has {structures}"
        raise InputError(f"--size {size}", problem, "choose --size paper, which begins with none") from error


def run_adaptation(
    dataset_dir: str | Path,
    output_dir: str | Path,
    size: str = "quick",
    seed: int = 0,
    truth_dir: str | Path | None = None,
    structures: Structures = STRUCTURES,
    styles: Sequence[str] = (),
) -> Adaptation:
    """Run what is left to do of an adaptation.

    Args:
        dataset_dir: a crossMoDA folder, see :func:`~tanq_monai.scans.layout.find_scans`.
        output_dir: gets everything; an adaptation that was stopped goes on there.
        size: of :data:`tanq_monai.adaptation.settings.SIZES`.
        seed: of all trainings.
        truth_dir: labels of the test scans.
        structures: names and label values.
        styles: parts of file names that tell looks of hrT2 apart; none: one look.

    Raises:
        InputError: for a folder or size that is not there, or a step that failed.
    """
    truth = None if truth_dir is None else Path(truth_dir).resolve()
    if truth is not None:
        truths = LabelFiles(truth)
        truths.raise_absence()
        truths.raise_problems()
    structures.numbered()  # all that the self-training wants, after days of training
    structures.check_order("structures")
    settings = replace(settings_of(size), looks={"styles": list(styles)} if styles else {})
    if settings.views:
        structures.regions()
    if "initial_model" in settings.segmenter:
        check_starts_from(Path(settings.segmenter["initial_model"]), structures, size)
    scans = find_scans(dataset_dir, needed=("source", "target") if settings.views else ("target",))
    adaptation = Adaptation(scans, Path(output_dir).resolve(), settings, seed, truth, structures=structures)
    steps = list(adaptation.steps())  # which refuse an installation without MONAI, before there is a folder
    check_output_dir(output_dir)
    run_steps(adaptation.root / "steps", steps, "adapt")
    return adaptation
