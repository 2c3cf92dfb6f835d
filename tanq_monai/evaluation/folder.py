"""Scores of a folder of predictions, summarised, and compared with other predictions of the same cases."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import get_args

import pandas as pd

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.evaluation.scoring import SCORED, Score, read_truth, score_prediction
from tanq_monai.evaluation.tables import as_csv, as_latex, comparison_cells, summary_cells
from tanq_monai.files import check_renewable, renewing, write_text
from tanq_monai.metrics.comparison import compare
from tanq_monai.metrics.statistics import summarize_sites
from tanq_monai.metrics.surface_distance import EMPTY_PREDICTION_MM, Definition
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.structures import ScoredStructures

_ASSD = {"directed": "mean of the two directed means", "pooled": "pooled mean over both surfaces"}


@dataclass(frozen=True)
class Evaluation:
    """The scores of the cases that could be scored, and what was wrong with the others.

    Args:
        scores: one row per case and structure, columns as in :class:`~tanq_monai.evaluation.scoring.Score`.
        mistakes: one per file that could not be scored.
        definition: of the ASSD.
        against: the scores of other predictions of the same cases, if there are any.
        names: of the predictions and of the other ones.
        seed: of the bootstrap intervals.
    """

    scores: pd.DataFrame
    mistakes: tuple[InputError, ...]
    definition: Definition
    against: pd.DataFrame | None = None
    names: tuple[str, str] = ("prediction", "against")
    seed: int = 0

    @cached_property
    def summary(self) -> pd.DataFrame:
        """See :func:`~tanq_monai.metrics.statistics.summarize_sites`."""
        return summarize_sites(self.scores, seed=self.seed)

    @cached_property
    def comparison(self) -> pd.DataFrame | None:
        """See :func:`~tanq_monai.metrics.comparison.compare`."""
        return None if self.against is None else compare(self.scores, self.against, seed=self.seed)

    def __str__(self) -> str:
        """The tables as text, with what their numbers mean."""
        parts = [summary_cells(self.summary).to_string(), *self._notes()]
        if self.comparison is not None:
            parts += ["", comparison_cells(self.comparison, self.names).to_string(), *self._notes_on_comparison()]
        return "\n".join(parts)

    def save(self, output_dir: str | Path) -> None:
        """Write ``scores.csv`` and the summary as CSV, text and LaTeX, each file at once or not at all.

        With other predictions also ``comparison.csv``; text and LaTeX hold the comparison too.

        Raises:
            InputError: as :func:`tanq_monai.files.renewing`.
        """
        folder = Path(output_dir)
        texts = {
            "scores.csv": as_csv(self.scores, index=False),
            "summary.csv": as_csv(self.summary),
            "summary.txt": f"{self}\n",
            "summary.tex": self._latex(),
        }
        if self.comparison is not None:
            texts["comparison.csv"] = as_csv(self.comparison)
        check_renewable(folder / name for name in texts)
        for name, text in texts.items():
            with renewing(folder / name) as temporary:
                write_text(text, temporary)

    def raise_mistakes(self) -> None:
        """Raise what was wrong.

        Raises:
            InputErrors: when at least one file could not be scored.
        """
        if self.mistakes:
            raise InputErrors(self.mistakes)

    def _latex(self) -> str:
        """A table of the summary, another one of the comparison, and what they mean as comments."""
        tables = [(summary_cells(self.summary), self._notes())]
        if self.comparison is not None:
            tables.append((comparison_cells(self.comparison, self.names), self._notes_on_comparison()))
        parts = ["% \\usepackage{booktabs}"]
        for cells, notes in tables:
            parts += [*(f"% {line}" for note in notes for line in note.splitlines()), as_latex(cells), ""]
        return "\n".join(parts)

    def _notes(self) -> list[str]:
        notes = [
            "sd: of the sample. 95% CI: bootstrap over the cases, percentile.",
            f"ASSD: {_ASSD[self.definition]}; {EMPTY_PREDICTION_MM:.0f} mm where all of a structure was missed.",
            "n/a: cases whose truth lacks the structure, in no mean. Research use only.",
        ]
        return notes + [f"{name}: absent from the truth of every case, so n/a." for name in self._absent()]

    def _notes_on_comparison(self) -> list[str]:
        return [
            f"Cases that both have; difference: {self.names[0]} minus {self.names[1]}.",
            "* p < .05, ** p < 1e-4, paired two-sided t-test; Wilcoxon: signed rank test, two-sided;",
            "d_z: mean over sd of the differences. n/a: fewer than two cases, or all differences are equal.",
        ]

    def _absent(self) -> list[str]:
        counts = self.scores.groupby("structure", sort=False)["dice"].count()
        return [str(name) for name, count in counts.items() if count == 0]


def evaluate_folder(
    prediction_dir: str | Path,
    truth_dir: str | Path,
    *,
    against_dir: str | Path | None = None,
    structures: ScoredStructures = SCORED,
    definition: Definition = "directed",
    seed: int = 0,
) -> Evaluation:
    """Score every ``{case}_Label.nii.gz`` of the truth against the prediction of the same file name.

    A file that cannot be scored is left out and becomes a mistake; the others are scored all the same.

    Args:
        prediction_dir: may hold more cases than are scored.
        truth_dir: decides which cases are scored.
        against_dir: other predictions, which the first ones are compared with.
        structures: names and label values, of the truth and of all predictions.
        definition: of the ASSD, see :func:`~tanq_monai.metrics.surface_distance.average_surface_distance`.
        seed: of the bootstrap intervals.

    Raises:
        InputError: when a folder does not exist, ``truth_dir`` holds no label file, the definition is none, or no
            truth that could be scored holds any of the structures.
        InputErrors: when no case of ``prediction_dir`` could be scored.
    """
    if definition not in get_args(Definition):
        raise InputError(f"assd {definition}", "is no definition", f"choose one of {', '.join(get_args(Definition))}")
    truths = LabelFiles(truth_dir)
    truths.raise_absence()
    folders = [LabelFiles(folder) for folder in (prediction_dir, against_dir) if folder is not None]
    tables, mistakes = _score(folders, truths, structures, definition)
    if tables[0].empty:
        raise InputErrors(mistakes)
    if tables[0]["dice"].isna().all():
        listed = ", ".join(structures)
        raise InputError(truth_dir, f"has no {listed} in any case", "give another truth, or other structures")
    names = _short_names([predictions.folder for predictions in folders]) if len(folders) > 1 else Evaluation.names
    return Evaluation(tables[0], tuple(mistakes), definition, tables[1] if tables[1:] else None, names, seed)


def _score(
    folders: Sequence[LabelFiles],
    truths: LabelFiles,
    structures: ScoredStructures,
    definition: Definition,
) -> tuple[list[pd.DataFrame], list[InputError]]:
    """One table of scores per folder; every truth is read once."""
    rows: list[list[Score]] = [[] for _ in folders]
    mistakes: list[InputError] = list(truths.problems)
    for case in truths.cases:
        try:
            truth = read_truth(truths.of(case), structures)
        except InputError as mistake:
            mistakes.append(mistake)
            continue
        for predictions, found in zip(folders, rows, strict=True):
            try:
                found.extend(score_prediction(predictions.of(case), truth, structures, definition))
            except InputError as mistake:
                mistakes.append(mistake)
    columns = [field.name for field in fields(Score)]
    return [pd.DataFrame([asdict(row) for row in of_folder], columns=columns) for of_folder in rows], mistakes


def _short_names(folders: list[Path]) -> tuple[str, str]:
    """What tells two folders apart: ``plain/labels`` and ``refined/labels`` below the folder that they share."""
    paths = [folder.resolve() for folder in folders]
    common = os.path.commonpath(paths)
    names = [path.name if str(path) == common else path.relative_to(common).as_posix() for path in paths]
    first, second = names
    return (first, second) if first != second else (first, f"{second} (against)")
