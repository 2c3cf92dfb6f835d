"""Where to look in a scan: volumes turned to LPS, the slices and windows that show the structures best.

Whatever the storage order, x then runs to the patient's left, y to the back and z up, so that the transposed
slice is what a radiologist expects. Positions in the plane are mm from the corner of the volume.
"""

from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tanq_monai.anatomy.measured import cochleae
from tanq_monai.anatomy.plausibility import organ_masks
from tanq_monai.metrics.surface_distance import voxel_spacing
from tanq_monai.structures import STRUCTURES, Structures

EARS_MM = (104.0, 64.0)  # both cochleae lie 68-71 mm apart


class Volume(NamedTuple):
    """Values (X, Y, Z) in LPS order and voxel size in mm."""

    values: npt.NDArray[Any]
    spacing: npt.NDArray[np.float64]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of a slice, mm."""
        width, height = self.values.shape[:2] * self.spacing[:2]
        return float(width), float(height)

    @property
    def middle(self) -> tuple[float, float]:
        """Centre of a slice, mm."""
        return self.size[0] / 2, self.size[1] / 2


class Window(NamedTuple):
    """What is shown of a slice, mm."""

    centre: tuple[float, float]
    size: tuple[float, float]


class Place(NamedTuple):
    """A structure's largest slice and its centre there, mm; and the middle slice of those that it reaches."""

    name: str
    structure: str
    z: int
    centre: tuple[float, float]
    middle_z: float


def turned_to_lps(image: nib.Nifti1Image) -> Volume:
    """The image in the axis order and direction nearest to LPS; nothing is interpolated."""
    wanted = nib.orientations.axcodes2ornt("LPS")
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted))
    return Volume(np.asarray(turned.dataobj), voxel_spacing(turned.affine))


def largest_slices(labels: Volume, structures: Structures = STRUCTURES) -> dict[str, int]:
    """The slice where each structure is largest, each slice once; the middle one, unnamed, without any."""
    slices: dict[str, int] = {}
    for name, value in structures.items():
        areas = np.count_nonzero(labels.values == value, axis=(0, 1))
        if areas.any() and int(areas.argmax()) not in slices.values():
            slices[name] = int(areas.argmax())
    return slices or {"": labels.values.shape[2] // 2}


def places(labels: Volume, structures: Structures = STRUCTURES) -> list[Place]:
    """Every structure, the cochlea of either side; the middle of the volume if there is no structure."""
    found = []
    for name, value in structures.items():
        for called, voxels in _sides(labels, name, value, structures).items():
            z = int(np.bincount(voxels[:, 2]).argmax())
            x, y = (voxels[voxels[:, 2] == z][:, :2].mean(axis=0) + 0.5) * labels.spacing[:2]
            middle_z = float(voxels[:, 2].min() + voxels[:, 2].max()) / 2
            found.append(Place(called, name, z, (float(x), float(y)), middle_z))
    z = labels.values.shape[2] // 2
    return found or [Place("no structure", next(iter(structures)), z, labels.middle, z)]


def ears(labels: Volume) -> Window:
    """A window round all structures; the middle of the slice when there are none.

    Where they reach farther than the window does, as stray voxels may, it lies where it holds most of them.
    """
    voxels = np.argwhere(labels.values > 0)[:, :2]
    if not len(voxels):
        return Window(labels.middle, EARS_MM)
    x, y = (
        _densest(voxels[:, axis], round(EARS_MM[axis] / labels.spacing[axis])) * labels.spacing[axis]
        for axis in range(2)
    )
    return Window((float(x), float(y)), EARS_MM)


def corner_of(window: Window) -> tuple[float, float]:
    """The upper left corner of a window, mm."""
    (x, y), (wide, tall) = window
    return x - wide / 2, y - tall / 2


def grey_limits(scan: Volume, z: int | None = None, window: Window | None = None) -> tuple[float, float]:
    """Black and white point, from the whole scan or from what a window shows of slice ``z``."""
    values = scan.values
    if z is not None and window is not None:
        ends = [
            np.clip(np.array([middle - size / 2, middle + size / 2]) / mm, 0, n).astype(int)
            for middle, size, mm, n in zip(*window, scan.spacing, values.shape, strict=False)
        ]
        values = values[slice(*ends[0]), slice(*ends[1]), z]
    low, high = np.percentile(values, [1, 99.5]) if values.size else (0, 1)
    return float(low), float(max(high, low + 1e-6))


def _sides(labels: Volume, name: str, value: int, structures: Structures) -> dict[str, npt.NDArray[np.int64]]:
    """Voxels (N, 3) of a structure; of the cochlea those of either side, without a side that has none."""
    if name != "cochlea":
        voxels = {name: np.argwhere(labels.values == value)}
    else:
        to_ras = np.diag([-labels.spacing[0], -labels.spacing[1], labels.spacing[2], 1])
        ears = cochleae(*organ_masks(labels.values, structures), to_ras)
        voxels = {f"{side} {name}": np.argwhere(mask) for side, mask in ears.items()}
    return {called: where for called, where in voxels.items() if len(where)}


def _densest(positions: npt.NDArray[np.int64], length: int) -> float:
    """Middle of the ``length`` voxels in a row that hold most ``positions``; that of all positions where they fit."""
    first, last = int(positions.min()), int(positions.max()) + 1
    if last - first <= length:
        return (first + last) / 2
    up_to = np.concatenate([[0], np.bincount(positions - first).cumsum()])
    held = up_to[length:] - up_to[:-length]
    return first + float(np.flatnonzero(held == held.max()).mean()) + length / 2
