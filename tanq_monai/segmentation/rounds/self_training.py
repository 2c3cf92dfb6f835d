"""Self-training: a segmenter labels real hrT2 scans, and is trained anew on these labels beside the translations.

Every round is made of commands of this bundle, which anyone can repeat by hand. References: Kang et al., TANQ, 2024:
four rounds of nnU-Net on pseudo-hrT2 with labels and hrT2 with pseudo-labels. Refinement and stop are ours.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tanq_monai.errors import InputError
from tanq_monai.files import check_output_dir, renewing, write_json
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.segmentation.inference.ensemble import DESCRIPTION, read_ensemble
from tanq_monai.segmentation.plan.plans import check_same_labels
from tanq_monai.segmentation.rounds.measures import measure_round
from tanq_monai.segmentation.training.selection import check_folds, model_name
from tanq_monai.steps import Step, StepRunner, bundle_step
from tanq_monai.structures import STRUCTURES, Structures

Choices = Mapping[str, Any]


@dataclass(frozen=True)
class Data:
    """Where the scans are.

    Attributes:
        translated: labelled pseudo-hrT2: nnU-Net's raw data set, or scans by name with labels in ``labels``.
        labels: of ``translated``.
        target: unlabelled hrT2 scans.
        truth: labels of ``target``, to watch the rounds where there are any; never trained on.
    """

    translated: str | Path
    labels: str | Path
    target: str | Path
    truth: str | Path | None = None


@dataclass(frozen=True)
class RoundChoices:
    """What happens in a round.

    Attributes:
        configurations: of nnU-Net, each with choices of ``train.yaml`` that it has for itself.
        folds: 0-4, or ``["all"]``.
        training: choices of ``train.yaml`` for all trainings.
        seed: of all trainings.
        inference: choices of ``ensemble.yaml``.
        refinement: choices of ``refine.yaml``.
        structures: names and label values.
    """

    configurations: Mapping[str, Choices]
    folds: Sequence[int | str] = (0, 1, 2, 3, 4)
    training: Choices = field(default_factory=dict)
    seed: int = 0
    inference: Choices = field(default_factory=dict)
    refinement: Choices = field(default_factory=dict)
    structures: Structures = STRUCTURES

    def __post_init__(self) -> None:
        """Refuse what would end a run after its trainings.

        Raises:
            InputError: for choices that are none.
        """
        if not isinstance(self.configurations, Mapping) or not self.configurations:
            raise InputError(f"configurations {self.configurations}", "are no mapping", "write e.g. {2d: {}}")
        if any(not isinstance(own or {}, Mapping) for own in self.configurations.values()):
            raise InputError(f"configurations {self.configurations}", "have no choices by name", "write e.g. {2d: {}}")
        if any("trainer" in (own or {}) for own in self.configurations.values()):
            raise InputError("configurations", "name a trainer of their own", "choose it in training, one for all")
        check_folds(self.folds)
        _check_plain(vars(self), "choices")

    @property
    def initial_models(self) -> tuple[str, ...]:
        """Folders of the models that trainings begin with, as they are given: from the bundle's folder on."""
        named = [choices.get("initial_model") for choices in (self.training, *self.configurations.values()) if choices]
        return tuple(str(name) for name in named if name is not None)


def _check_plain(choice: object, place: str) -> None:
    """Raise if a choice would make MONAI run something in the command that it is given to."""
    names = choice.keys() if isinstance(choice, Mapping) else ()
    texts = [str(name) for name in names] + ([choice] if isinstance(choice, str) else [])
    if any(_could_run(text) for text in texts):
        problem = f"hold {choice!r}, which is no plain value of a choice"
        raise InputError(place, problem, "give choices from the top of the config, with plain values")
    inner = choice.values() if isinstance(choice, Mapping) else choice if isinstance(choice, list | tuple) else ()
    for value in inner:
        _check_plain(value, place)


def _could_run(text: str) -> bool:
    """Whether a text is more than that to MONAI, or an option to its command line."""
    return "$" in text or text.startswith(("%", "-")) or "_target_" in text


class SelfTraining:
    """Runs the rounds: round 0 on the translations alone, then each with the last one's labels of the real scans.

    Below ``output_dir``: ``round_{r}`` with models, predictions and pseudo-labels, ``steps`` with what is done (a run
    that was stopped goes on there), ``rounds.csv`` with a row per round and structure, ``models``: the last ensemble.

    Args:
        data: the scans.
        output_dir: of the run.
        rounds: at most so many after round 0.
        first_ensemble: models to begin with in place of those of round 0; None trains them on the translations.
        stop_agreement: end when the labels of two rounds agree so well (mean Dice); above 1 = never.
        choices: of every round.
        bundle: folder of the segmenter's bundle.
    """

    def __init__(
        self,
        data: Data,
        output_dir: str | Path,
        choices: RoundChoices,
        rounds: int = 4,
        stop_agreement: float = 0.99,
        first_ensemble: str | Path | None = None,
        bundle: str | Path = ".",
    ) -> None:
        if rounds < 0:
            raise InputError("rounds", f"is {rounds}", "choose 0 (no self-training) or more")
        if data.truth is not None:
            LabelFiles(data.truth).raise_problems()
        self.data = Data(**{name: path and Path(path).resolve() for name, path in vars(data).items()})
        self.root = Path(output_dir).resolve()
        self.choices, self.rounds, self.stop_agreement = choices, rounds, stop_agreement
        self.first_ensemble = None if first_ensemble is None else Path(first_ensemble).resolve()
        self.bundle = Path(bundle).resolve()
        begins_with = () if self.first_ensemble is None else read_ensemble(self.first_ensemble).members
        for model in (*begins_with, *(self.bundle / name for name in choices.initial_models)):
            check_same_labels(model / "dataset.json", choices.structures)

    def run(self) -> pd.DataFrame:
        """Run what is left to do; the table of the rounds."""
        plan = [list(self.steps_of(number)) for number in range(self.rounds + 1)]  # which checks all choices
        check_output_dir(self.root)
        runner = StepRunner(self.root / "steps", sum(map(len, plan)), "self-training")
        tables = []
        for number, steps in enumerate(plan):
            if not self._run_round(runner, number, steps):
                break
            tables.append(self._measure(number))
            table = pd.concat(tables, ignore_index=True)
            with renewing(self.root / "rounds.csv") as temporary:
                table.to_csv(temporary, index=False, float_format="%.4f")
            self._point_to(number)
            if tables[-1]["agreement"].mean() >= self.stop_agreement:
                break
        return table

    def _run_round(self, runner: StepRunner, number: int, steps: Sequence[Step]) -> bool:
        """Whether it was run to its end: without a pseudo-label it would be the round before once more."""
        for step in steps:
            runner.run(step)
            if step.name == f"round_{number}_refine" and not self._accepted(number):
                runner.progress.write(f"no label of round {number - 1} was accepted: self-training ends with it")
                return False
        return True

    def _accepted(self, number: int) -> int:
        """How many real scans have a pseudo-label in a round."""
        return len(list((self._round(number) / "pseudo_labels").glob(f"*{LABEL_ENDING}")))

    def steps_of(self, number: int) -> Iterator[Step]:
        """The commands of a round."""
        if number:
            yield self._refinement(number)
        if number or self.first_ensemble is None:
            yield from self._models_of(number)
        yield self._segmentation(number)

    def _models_of(self, number: int) -> Iterator[Step]:
        """Training of all models, and which of them to use."""
        choices = self.choices
        for configuration, own in choices.configurations.items():
            for fold in choices.folds:
                yield self._training(number, configuration, fold, own or {})
        selection = {
            "run_dir": self._round(number),
            "configurations": list(choices.configurations),
            "folds": list(choices.folds),
        }
        shared = {key: choices.training[key] for key in ("trainer", "num_processes") if key in choices.training}
        models = self._round(number) / "models"
        trained = [models / model_name(name, fold) for name in choices.configurations for fold in choices.folds]
        chosen = (models / DESCRIPTION,)
        yield bundle_step(
            f"round_{number}_select", self.bundle, "find_best", selection | shared, reads=trained, writes=chosen
        )

    def _refinement(self, number: int) -> Step:
        """Of the last round's labels of the real scans."""
        choices: dict[str, Any] = {
            "prediction_dir": self._round(number - 1) / "predictions",
            "output_dir": self._round(number) / "pseudo_labels",
            "structures": dict(self.choices.structures),
        }
        if self.data.truth is not None:
            choices["truth_dir"] = self.data.truth
        return self._step(number, "refine", "refine", _joined(choices, self.choices.refinement, "refinement"))

    def _segmentation(self, number: int) -> Step:
        """Of the real scans, with uncertainty."""
        choices = {
            "dataset_dir": self.data.target,
            "ensemble_dir": self._ensemble(number),
            "output_dir": self._round(number) / "predictions",
            "uncertainty": True,
            "ears_first": False,  # a refinement chooses by itself
        }
        return self._step(number, "segment", "ensemble", _joined(choices, self.choices.inference, "inference"))

    def _training(self, number: int, configuration: str, fold: int | str, own: Choices) -> Step:
        folder, name = self._round(number), model_name(configuration, fold)
        training: dict[str, Any] = {"dataset_dir": self.data.translated, "label_dir": self.data.labels}
        training |= {"output_dir": folder, "structures": dict(self.choices.structures)}
        training |= {"configuration": configuration, "fold": fold, "seed": self.choices.seed}
        if number or {**self.choices.training, **own}.get("adversary"):
            training["target_dir"] = self.data.target
        if number:
            training["pseudo_label_dir"] = folder / "pseudo_labels"
        choices = _joined(training, {**self.choices.training, **own}, "training")
        return self._step(number, f"train_{name}", "train", choices, folder / "models" / name)

    def _step(self, number: int, name: str, config: str, choices: Choices, writes: Path | None = None) -> Step:
        """A step that reads all the paths among its choices, and writes one, by default ``output_dir``."""
        reads = [path for key, path in choices.items() if isinstance(path, Path) and key != "output_dir"]
        written = (writes or Path(choices["output_dir"]),)
        return bundle_step(f"round_{number}_{name}", self.bundle, config, choices, reads, written)

    def _measure(self, number: int) -> pd.DataFrame:
        last = self._round(number - 1) / "predictions" if number else None
        rows = measure_round(self._round(number) / "predictions", last, self.data.truth, self.choices.structures)
        return rows.assign(round=number, pseudo_labels=self._accepted(number))[
            ["round", "pseudo_labels", *rows.columns]
        ]

    def _point_to(self, number: int) -> None:
        """``models/ensemble.json``: the ensemble of this round, without a copy of its models."""
        models = self.root / "models"
        ensemble = read_ensemble(self._ensemble(number))
        groups = [[os.path.relpath(member, models) for member in group] for group in ensemble.groups]
        write_json({"groups": groups, "postprocessing": ensemble.postprocessing}, models / DESCRIPTION)

    def _ensemble(self, number: int) -> Path:
        if number == 0 and self.first_ensemble is not None:
            return self.first_ensemble
        return self._round(number) / "models"

    def _round(self, number: int) -> Path:
        return self.root / f"round_{number}"


def _joined(rounds: Choices, users: Choices, place: str) -> dict[str, Any]:
    """What a round decides, and what a user has chosen besides: neither in place of the other."""
    both = sorted(rounds.keys() & users.keys())
    if both:
        raise InputError(place, f"chooses {', '.join(both)}, which the rounds decide", "leave it out")
    return {**rounds, **users}
