"""From when on a voxel of a pseudo-label is uncertain, and a case implausible."""

from dataclasses import dataclass, field

from tanq_monai.anatomy.plausibility import Plausible
from tanq_monai.errors import InputError


@dataclass(frozen=True)
class RefinementRules:
    """What a refinement goes by.

    A case outside of the bounds of patients waits: of a hundred true ones, two.

    Args:
        min_agreement: share of the members that vote for a voxel's label; two of three, or four of five folds.
        min_confidence: mean probability of a voxel's label; halfway from .5, where two labels are alike, to 1.
        max_ignored_share: of a structure's predicted voxels; above, more is guessed away than kept.
        vs_required: a case without a VS waits. Operated patients are few (4 % in the phantom), missed tumors are not,
            and one that is trained as background does more harm than a patient who waits.
        min_cochleae: 2, since crossMoDA labels both ears and the one without a label would be trained as background.
        plausible: what is a VS or a cochlea.

    Raises:
        InputError: when a share is not in [0, 1], or there are more ears than two.
    """

    min_agreement: float = 2 / 3
    min_confidence: float = 0.75
    max_ignored_share: float = 0.5
    vs_required: bool = True
    min_cochleae: int = 2
    plausible: Plausible = field(default_factory=Plausible)

    def __post_init__(self) -> None:
        for name in ("min_agreement", "min_confidence", "max_ignored_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(name, f"is {getattr(self, name)}", "give a share from 0 to 1")
        if self.min_cochleae not in (0, 1, 2):
            raise InputError("min_cochleae", f"is {self.min_cochleae}", "give 0, 1 or 2")
