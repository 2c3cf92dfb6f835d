"""What a refinement did to a folder of predictions, as tables and in words."""

from dataclasses import dataclass

import pandas as pd

from tanq_monai.segmentation.rounds.refinement_worth import summarize_worth

ACCEPTED, WAITS = "accepted", "waits"


@dataclass(frozen=True)
class RefinedStructure:
    """What became of one structure of one case.

    Args:
        case: its name.
        structure: its name.
        predicted_mm3: before.
        refined_mm3: after; of a case that waits, what would be left.
        removed_components: those with a voxel of this structure that were ignored as a whole.
        ignored_share: of the predicted voxels, what became the ignore label; nan where nothing was predicted.
        verdict: of the case.
        reason: why the case waits, ``rule: figures`` joined by semicolons.
    """

    case: str
    structure: str
    predicted_mm3: float
    refined_mm3: float
    removed_components: int
    ignored_share: float
    verdict: str
    reason: str


@dataclass(frozen=True)
class RefinementReport:
    """What was done.

    Args:
        rows: columns of :class:`RefinedStructure`, cases in the order of their names.
        worth: columns of :class:`Worth`; None without truth.
    """

    rows: pd.DataFrame
    worth: pd.DataFrame | None

    def __str__(self) -> str:
        """Counts of cases, of reasons, and what was ignored; with truth, what that was worth."""
        cases = self.rows.drop_duplicates("case")
        accepted = int((cases["verdict"] == ACCEPTED).sum())
        lines = [f"{len(cases)} cases: {accepted} accepted, {len(cases) - accepted} wait for a later round"]
        rules = cases["reason"].str.split("; ").explode().str.partition(":")[0]
        counts = rules[rules != ""].value_counts().sort_index()
        lines += [f"  {count} x {rule}" for rule, count in counts.items()]
        sums = self.rows.groupby("structure", sort=False).agg(
            predicted_mm3=("predicted_mm3", "sum"),
            refined_mm3=("refined_mm3", "sum"),
            removed_components=("removed_components", "sum"),
            mean_ignored_share=("ignored_share", "mean"),
        )
        lines.append(sums.to_string(float_format="{:.3f}".format))
        if self.worth is not None:
            lines.append(summarize_worth(self.worth).to_string(float_format="{:.3f}".format))
        return "\n".join(lines)
