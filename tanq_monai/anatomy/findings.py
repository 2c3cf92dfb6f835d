"""What a label map says in numbers, of VS and cochlea more than of others."""

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.components import Mask, find_components
from tanq_monai.anatomy.measured import Structure, cochleae, find_anatomy, structure_masks
from tanq_monai.anatomy.plausibility import judge
from tanq_monai.anatomy.published import published
from tanq_monai.structures import STRUCTURES, Structures

_CORNERS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)]) - 0.5

Findings = dict[str, Any]
PARTS = ("intrameatal_ml", "extrameatal_ml")
"""Volumes of a VS in the internal auditory canal and outside."""


def find(labels: NDArray[np.uint8], affine: NDArray[np.float64], structures: Structures = STRUCTURES) -> Findings:
    """VS, and the cochlea of either side: whether found, volume in ml, extents in mm; and what is unusual about them.

    Of other structures, by their names, whether found, volume and extents; what is usual of them nobody says here.

    All figures of the VS are of its largest piece; others are doubted, for no line from one to another is a diameter.
    Extents are left-right, front-back and up-down as :class:`tanq_monai.anatomy.measured.Structure` has them. The
    axial diameter is the longest straight line between two points of VS in one axial slice, pixel edges included.
    Where the parts of the VS in the canal and outside are structures of their own, it has their volumes, too.

    Args:
        labels: (I, J, K), 0 is background.
        affine: (4, 4), voxel index to RAS, mm.
        structures: names and label values; several parts of a VS are measured as one.
    """
    roles, others = structures.roles(), _find_others(labels, affine, structures)
    if roles is None:
        return others | {"doubts": []}
    vs_mask, cochlea_mask = structure_masks(labels, roles)
    vs_mask, doubts = largest_piece(vs_mask, affine)
    anatomy = find_anatomy(vs_mask, cochlea_mask, affine)
    judgements = judge(anatomy)
    found = {one.organ: bool(one.mm3) for one in judgements}
    vs = _structure(anatomy.vs if found["VS"] else None)
    if found["VS"]:
        vs |= {"axial_diameter_mm": round(axial_diameter(vs_mask, affine), 1), "side": anatomy.side}
    vs |= _parts(labels[vs_mask] if found["VS"] else labels[:0], affine, structures)
    ears = {
        side: _structure(ear if found[f"{side} cochlea"] else None)
        for side, ear in (("right", anatomy.right), ("left", anatomy.left))
    }
    doubts = [*(one.doubt for one in judgements if one.doubt), *doubts]
    return {"VS": vs, "cochlea": ears, **others, "doubts": doubts}


def find_cochleae(
    labels: NDArray[np.uint8], affine: NDArray[np.float64], structures: Structures = STRUCTURES
) -> dict[str, Mask]:
    """Voxels (I, J, K) of the ``right`` and of the ``left`` cochlea, those that :func:`find` measures.

    None where there is no VS or no cochlea among the structures.
    """
    roles = structures.roles()
    if roles is None:
        return {}
    vs_mask, cochlea_mask = structure_masks(labels, roles)
    return cochleae(largest_piece(vs_mask, affine)[0], cochlea_mask, affine)


def _parts(vs: NDArray[np.uint8], affine: NDArray[np.float64], structures: Structures) -> Findings:
    """Volumes of the labels (N,) of a VS, ml, where its parts are structures of their own."""
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    values = zip(PARTS, structures.vs_parts or (), strict=False)
    return {part: round(int(np.count_nonzero(vs == value)) * voxel_ml, 4) for part, value in values}


def _find_others(labels: NDArray[np.uint8], affine: NDArray[np.float64], structures: Structures) -> Findings:
    nothing = np.zeros(labels.shape, np.bool_)
    return {
        name: _structure(find_anatomy(labels == value, nothing, affine).vs) for name, value in structures.others.items()
    }


def largest_piece(mask: Mask, affine: NDArray[np.float64]) -> tuple[Mask, list[str]]:
    """The largest connected piece of ``mask`` (I, J, K), and a doubt where there are others as large as a structure."""
    ids, pieces = find_components(mask, np.broadcast_to(np.float32(1), mask.shape), affine)
    if not pieces:
        return mask, []
    largest, *others = sorted(pieces, key=lambda piece: -piece.volume)
    others = [piece for piece in others if piece.volume >= published().fragment_mm3]
    rest = sum(piece.volume for piece in others)
    doubts = (
        [f"VS in {len(others) + 1} pieces: {rest:,.0f} mm³ of it lie apart from the one measured"] if others else []
    )
    return ids == largest.number, doubts


def axial_diameter(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> float:
    """The longest line within one axial slice from edge to edge of ``mask`` (I, J, K), mm; 0 without any voxel."""
    up = int(np.flatnonzero(nib.orientations.io_orientation(affine)[:, 0] == 2)[0])
    slices = np.moveaxis(mask, up, 0)
    spacing = np.delete(np.linalg.norm(affine[:3, :3], axis=0), up)
    longest = 0.0
    for plane in slices[slices.any(axis=(1, 2))]:
        corners = ((_ends_of_rows(plane)[:, None] + _CORNERS) * spacing).reshape(-1, 2)
        longest = max(longest, float(np.linalg.norm(corners[:, None] - corners, axis=-1).max()))
    return longest


def _ends_of_rows(plane: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The first and the last pixel (N, 2) of every row that has some: no longest line ends between two others."""
    rows = np.flatnonzero(plane.any(axis=1))
    first, last = plane[rows].argmax(axis=1), plane.shape[1] - 1 - plane[rows, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([rows, end], axis=1) for end in (first, last)])


def _structure(structure: Structure | None) -> Findings:
    if structure is None:
        return {"found": False, "volume_ml": 0.0}
    left_right, front_back, up_down = (round(float(extent), 1) for extent in structure.extent)
    return {
        "found": True,
        "volume_ml": round(structure.volume / 1000, 4),
        "left_right_mm": left_right,
        "front_back_mm": front_back,
        "up_down_mm": up_down,
    }
