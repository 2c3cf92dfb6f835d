"""Size and place of the labelled structures of one scan, from its label map and affine alone; which ear is which.

Positions are in scanner axes (RAS): x right, y anterior, z superior, mm.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from tanq_monai.structures import Roles

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

APART = 69.5
"""Distance between a patient's cochleae, mm: public VS-SEG contours, 68 to 71."""
_TWO_SIDED = 30.0  # mm: cochlea voxels that reach farther than this belong to two ears


@dataclass(frozen=True)
class Structure:
    """One labelled structure: a tumor, or the cochlea of one side.

    Args:
        volume: labelled voxels times their volume, mm^3.
        extent: left-right, front-back and up-down, mm. In the slice it is that of the voxels' box; across the slices
            that from the first slice's middle to the last one's, as contours, which lie in those planes, are measured.
        center: mean position of the voxels.
    """

    volume: float
    extent: Vector
    center: Vector


@dataclass(frozen=True)
class Anatomy:
    """The structures of a label map, ``None`` where one is not labelled."""

    vs: Structure | None
    right: Structure | None
    left: Structure | None

    @property
    def ears(self) -> tuple[Vector, Vector] | None:
        """Places of the right and left cochlea; one that has no label lies opposite the other. None without any."""
        across = np.array([APART, 0.0, 0.0])
        if self.right is not None:
            return self.right.center, self.right.center - across if self.left is None else self.left.center
        return None if self.left is None else (self.left.center + across, self.left.center)

    @property
    def side(self) -> str | None:
        """Of the tumor: that of the nearer cochlea."""
        if self.vs is None or self.ears is None:
            return None
        right, left = (abs(float(self.vs.center[0] - ear[0])) for ear in self.ears)
        return "right" if right < left else "left"


def structure_masks(labels: NDArray[np.uint8], roles: Roles) -> tuple[Mask, Mask]:
    """Voxels of the VS, all its parts, and of the cochleae."""
    cochlea: Mask = labels == roles.cochlea
    return np.isin(labels, roles.vs), cochlea


def between_ears(across: Vector) -> float | None:
    """What parts the cochlea voxels of two ears: the middle of their reach; None where they are one ear's.

    Args:
        across: places of the voxels from left to right or back, mm.
    """
    return float(across.min() + across.max()) / 2 if np.ptp(across) > _TWO_SIDED else None


def find_anatomy(vs: Mask, cochlea: Mask, affine: Vector) -> Anatomy:
    """Measure what is labelled.

    A single cochlea is on the side away from which the tumor lies, without a tumor on the side of the grid's middle on
    which it lies.

    Args:
        vs: (I, J, K), voxels of the tumor.
        cochlea: of the same shape, voxels of both cochleae.
        affine: (4, 4), voxel index to RAS, mm.
    """
    tumor = _measure(np.argwhere(vs), affine)
    right, left = _ears(np.argwhere(cochlea), tumor, vs.shape, affine)
    return Anatomy(tumor, _measure(right, affine), _measure(left, affine))


def cochleae(vs: Mask, cochlea: Mask, affine: Vector) -> dict[str, Mask]:
    """Voxels (I, J, K) of the ``right`` and of the ``left`` cochlea, told apart as :func:`find_anatomy` does."""
    masks = {}
    ears = _ears(np.argwhere(cochlea), _measure(np.argwhere(vs), affine), vs.shape, affine)
    for side, index in zip(("right", "left"), ears, strict=True):
        masks[side] = np.zeros(cochlea.shape, np.bool_)
        masks[side][tuple(index.T)] = True
    return masks


def geometry_figures(anatomy: Anatomy) -> dict[str, float]:
    """Figures by name (those of ``published.yaml``), NaN where a structure is not labelled.

    The place of the tumor counts from the cochlea of its own side: medial, posterior and superior are positive.
    """
    figures = dict(_structure_figures("VS", anatomy.vs))
    for name, ear in (("right cochlea", anatomy.right), ("left cochlea", anatomy.left)):
        figures.update(_structure_figures(name, ear))
    apart = np.nan
    if anatomy.right is not None and anatomy.left is not None:
        apart = float(anatomy.right.center[0] - anatomy.left.center[0])
    figures["cochleae apart"] = apart
    own = anatomy.right if anatomy.side == "right" else anatomy.left
    place = np.full(3, np.nan)
    if anatomy.vs is not None and own is not None:
        outward = 1 if anatomy.side == "right" else -1
        place = (anatomy.vs.center - own.center) * (-outward, -1, 1)
    figures.update(zip(("VS medial", "VS posterior", "VS superior"), map(float, place), strict=True))
    return figures


def _structure_figures(name: str, structure: Structure | None) -> Iterator[tuple[str, float]]:
    extent = np.full(3, np.nan) if structure is None else structure.extent
    yield f"{name} volume", np.nan if structure is None else structure.volume
    yield from zip((f"{name} left-right", f"{name} front-back", f"{name} up-down"), map(float, extent), strict=True)


def _measure(index: NDArray[np.intp], affine: Vector) -> Structure | None:
    if len(index) == 0:
        return None
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = nib.orientations.io_orientation(affine)[:, 0].astype(int)  # scanner axis of each voxel axis
    extent = np.empty(3)
    extent[axes] = (np.ptp(index, axis=0) + (axes != 2)) * spacing
    center = affine[:3, :3] @ index.mean(0) + affine[:3, 3]
    return Structure(len(index) * float(spacing.prod()), extent, center)


def _ears(
    index: NDArray[np.intp], tumor: Structure | None, shape: tuple[int, ...], affine: Vector
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Voxels (N, 3) of the right and of the left cochlea among those of both."""
    if len(index) == 0:
        return index, index
    x = index @ affine[0, :3] + affine[0, 3]
    middle = between_ears(x)
    if middle is not None:
        return index[x > middle], index[x <= middle]
    return (index, index[:0]) if _is_right(float(x.mean()), tumor, shape, affine) else (index[:0], index)


def _is_right(x: float, vs: Structure | None, shape: tuple[int, ...], affine: Vector) -> bool:
    """Whether the only labelled cochlea, at ``x``, is the right one."""
    middle = float(affine[0, :3] @ ((np.asarray(shape) - 1) / 2) + affine[0, 3])
    if vs is None:
        return x > middle
    return x > float(vs.center[0])
