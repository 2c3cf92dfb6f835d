"""What a label map holds, as DICOM tells of it: VS, both cochleae and others, with colours and SNOMED's codes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from tanq_monai.anatomy.findings import find, find_cochleae
from tanq_monai.report.contours import colours_of
from tanq_monai.structures import STRUCTURES, Structures

Mask = NDArray[np.bool_]
Side = Literal["right", "left"]
SCHWANNOMA = Code("126949007", "SCT", "Vestibular schwannoma")
COCHLEA = Code("80169004", "SCT", "Cochlea")
ANY = Code("91723000", "SCT", "Anatomical structure")  # of others only the name says more
SIDES: dict[Side, Code] = {"right": codes.SCT.Right, "left": codes.SCT.Left}


@dataclass(frozen=True)
class Region:
    """A part of a label map.

    Attributes:
        name: VS, or a part of it, right cochlea or left cochlea; or that of another structure.
        mask: (I, J, K), its voxels; none where it was not found.
        colour: recommended, #rrggbb, sRGB.
        kind: what it is.
        side: right or left; None of a VS that was not found, or without an ear beside it.
    """

    name: str
    mask: Mask
    colour: str
    kind: Code
    side: Side | None = None

    @property
    def category(self) -> Code:
        """Of what sort: a cochlea is anatomy, a schwannoma is none."""
        is_tumor = self.kind == SCHWANNOMA
        return codes.SCT.MorphologicallyAbnormalStructure if is_tumor else codes.SCT.AnatomicalStructure

    @property
    def place(self) -> Code:
        """The anatomy in which it lies."""
        if self.kind == ANY:
            return ANY
        return codes.SCT.InnerEar if self.is_organ else codes.SCT.VestibulocochlearNerve

    @property
    def is_organ(self) -> bool:
        """Whether it is a cochlea."""
        return bool(self.kind == COCHLEA)

    @property
    def found(self) -> bool:
        """Whether it has any voxel."""
        return bool(self.mask.any())


def regions_of(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], structures: Structures = STRUCTURES
) -> list[Region]:
    """The VS or its parts, the right and the left cochlea, always in this order, and then all other structures.

    Sides are those of the volumes' table.

    Args:
        labels: (I, J, K), 0 is background.
        affine: (4, 4), voxel index to RAS, mm.
        structures: names and label values.
    """
    found: dict[str, tuple[Mask, Code, Side | None]] = {}
    ears, others = find_cochleae(labels, affine, structures), structures.others
    if ears:
        side: Side | None = find(labels, affine, structures)["VS"].get("side")
        tumor = {name: value for name, value in structures.items() if name not in ("cochlea", *others)}
        found |= {name: (labels == value, SCHWANNOMA, side) for name, value in tumor.items()}
        found |= {f"{own} cochlea": (ears[own], COCHLEA, own) for own in SIDES}
    found |= {name: (labels == value, ANY, None) for name, value in others.items()}
    colours = colours_of(found)
    return [Region(name, mask, colours[name], kind, own) for name, (mask, kind, own) in found.items()]
