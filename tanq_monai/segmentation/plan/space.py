"""nnU-Net's plan space, and the way of a scan into it up to the resampling. NumPy alone.

Arrays of scans are (i, j, k) as stored. They are turned to (x, y, z), which point as those of the plan's training did,
LPS; plan space is (z, y, x): axes permuted by the plan, cropped to the non-zero box, z-scored, and resampled to the
plan's spacing (mm). Plans that z-score the non-zero region alone want SciPy, too.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.choices.kinds import Items, Misfit, Number, Orientation, Whole
from tanq_monai.scans.grid import STORED, reorientation, reoriented, turned_back
from tanq_monai.segmentation.plan.splines import Interpolation


@dataclass(frozen=True)
class PlanSpace:
    """What a plan says about the network's space.

    Args:
        spacing: mm, in the plan's order of axes; two for a network of slices (the slice distance is kept).
        transpose: which of z, y, x comes first, second, third in the plan's order.
        nonzero_only: z-score within the non-zero region only.
        image: interpolation of images.
        logits: interpolation of the network's output.
        orientation: where x, y, z pointed in the training.
    """

    spacing: tuple[float, ...]
    transpose: tuple[int, int, int] = (0, 1, 2)
    nonzero_only: bool = False
    image: Interpolation = field(default_factory=Interpolation)
    logits: Interpolation = field(default_factory=lambda: Interpolation(order=1))
    orientation: str = STORED

    def __post_init__(self) -> None:
        """Refuse what is no space.

        Raises:
            Misfit: for spacings, orders of axes and orientations that are none.
        """
        Items(Number(above=0, most=100), 2, 3).parse(self.spacing)
        if sorted(Items(Whole(0, 2)).parse(self.transpose)) != [0, 1, 2]:
            raise Misfit("has not each of 0, 1 and 2")
        Orientation().parse(self.orientation)

    def target_spacing(self, spacing: tuple[float, ...]) -> tuple[float, ...]:
        """The plan's spacing for a scan of ``spacing`` (both mm, plan order), three numbers."""
        return self.spacing if len(self.spacing) == 3 else (spacing[0], *self.spacing)

    @property
    def left_right(self) -> int:
        """Which axis in plan order runs from one side of the head to the other."""
        side = next(axis for axis, letter in enumerate(reversed(self.orientation)) if letter in "LR")
        return self.transpose.index(side)

    @property
    def array_axes(self) -> list[int]:
        """Axes of a (C, x, y, z) array in plan order."""
        return [0, *(3 - axis for axis in self.transpose)]


@dataclass(frozen=True)
class Placement:
    """Where in a scan what was cut out of it lies.

    Attributes:
        turn: nibabel's orientation transform from the stored axes to plan order.
        box: half-open bounds in voxels, in plan order.
        full_shape: of the scan, in plan order.
        spacing: of the scan in mm, in plan order.
    """

    turn: NDArray[np.floating]
    box: tuple[tuple[int, int], ...]
    full_shape: tuple[int, ...]
    spacing: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the box."""
        return tuple(high - low for low, high in self.box)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Of the box, to index the scan with."""
        return tuple(slice(low, high) for low, high in self.box)

    def stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the whole scan in plan order, with the axes that the scan is stored with."""
        return np.ascontiguousarray(reoriented(values, turned_back(self.turn)))

    def new_shape(self, space: PlanSpace) -> list[int]:
        """Of the box in the plan's spacing."""
        target = space.target_spacing(self.spacing)
        return [max(1, round(old / new * n)) for old, new, n in zip(self.spacing, target, self.shape, strict=True)]


def crop_and_normalize(
    scan: NDArray[Any], affine: NDArray[np.floating], space: PlanSpace
) -> tuple[NDArray[np.float32], Placement]:
    """(i, j, k) -> its non-zero box (z, y, x), z-scored, still in the scan's own spacing.

    Args:
        scan: any number type.
        affine: voxel to mm, (4, 4); its column norms are the spacing.
        space: the plan's space.
    """
    turn = reorientation(affine, space.orientation)
    turn[:, 0] = [space.array_axes[1:].index(axis + 1) for axis in turn[:, 0]]  # from x, y, z to plan order
    full = np.ascontiguousarray(reoriented(scan, turn), dtype=np.float32)
    spacing = np.empty(3)
    spacing[turn[:, 0].astype(int)] = np.linalg.norm(affine[:3, :3], axis=0)
    placement = Placement(turn, _nonzero_box(full), full.shape, tuple(spacing.tolist()))
    cropped = full[placement.slices]
    return z_score(cropped, _filled(cropped) if space.nonzero_only else None), placement


def z_score(image: NDArray[np.float32], inside: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Zero mean and unit standard deviation; where ``inside``, of the same shape, is given, of and in it alone."""
    if inside is None:
        scaled: NDArray[np.float32] = image - image.mean()
        scaled /= max(image.std(), 1e-8)
        return scaled
    values = image[inside]
    mean, std = values.mean(), max(values.std(), 1e-8)
    values -= mean
    values /= std
    scaled = image.copy()
    scaled[inside] = values
    return scaled


def _filled(volume: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The non-zero region without holes."""
    from scipy.ndimage import binary_fill_holes

    filled: NDArray[np.bool_] = binary_fill_holes(volume != 0)
    return filled


def _nonzero_box(volume: NDArray[np.float32]) -> tuple[tuple[int, int], ...]:
    """Half-open bounds of the non-zero region; of all where nothing is."""
    inside = volume != 0
    planes = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not len(planes[0]):  # an empty scan
        return tuple((0, n) for n in volume.shape)
    return tuple((int(along[0]), int(along[-1]) + 1) for along in planes)
