"""What pages tell of the size of structures, in the units of a radiologist: ml, and mm in an axial slice."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tanq_monai.anatomy.findings import find
from tanq_monai.anatomy.published import published
from tanq_monai.structures import Structures


class Measure(NamedTuple):
    """One row.

    Args:
        name: VS, the cochlea of one side, or another structure.
        side: of a VS, where it is known.
        ml: volume; 0 where it was not found.
        usual_ml: percentiles 5 and 95 of published patients, of ONE cochlea; None of other structures.
        line_mm: of a VS, the longest straight line in an axial slice.
        extent_mm: left-right, front-back, up-down.
    """

    name: str
    side: str | None
    ml: float
    usual_ml: tuple[float, float] | None = None
    line_mm: float | None = None
    extent_mm: tuple[float, float, float] | None = None


def measures_of(findings: Mapping[str, Any]) -> list[Measure]:
    """VS, right and left cochlea, as :func:`tanq_monai.anatomy.findings.find` measures them."""
    ears = {f"{side} cochlea": ear for side, ear in findings["cochlea"].items()}
    rows = []
    for name, one in {"VS": findings["VS"], **ears}.items():
        low, *_, high = published().geometry[f"{name.rpartition(' ')[2]} volume"]
        extent = (one["left_right_mm"], one["front_back_mm"], one["up_down_mm"]) if one["found"] else None
        usual, line = (low / 1000, high / 1000), one.get("axial_diameter_mm")
        rows.append(Measure(name, one.get("side"), one["volume_ml"], usual, line, extent))
    return rows


def measured(
    labels: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64], structures: Structures
) -> tuple[list[Measure], list[str]]:
    """The rows of a label map and what is to be doubted; of what is no VS or cochlea the volume alone.

    Args:
        labels: (I, J, K), 0 is background.
        affine: (4, 4), voxel index to RAS, mm.
        structures: names and label values; parts of a VS have rows of their own below that of the whole.
    """
    rows: list[Measure] = []
    doubts: list[str] = []
    if structures.roles() is not None:
        findings = find(labels, affine, structures)
        rows, doubts = measures_of(findings), findings["doubts"]
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    told = {"VS", "cochlea"} if rows else set()
    others = {name: value for name, value in structures.items() if name not in told}
    rows += [Measure(name, None, np.count_nonzero(labels == value) * voxel_ml) for name, value in others.items()]
    return rows, doubts
