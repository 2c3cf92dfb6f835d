"""Where to look in a scan: volumes turned to LPS, the slices and windows that show the structures best.

Whatever the storage order, x then runs to the patient's left, y to the back and z up, so that the transposed
slice is what a radiologist expects. Positions in the plane are mm from the corner of the volume.
"""

from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tanq_monai.metrics import STRUCTURES, voxel_spacing

EARS_MM = (104.0, 64.0)  # both cochleae lie 68-71 mm apart
COCHLEAE_APART_MM = 30  # one is 6 mm wide, so a wider label holds two


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
    """A structure's largest slice and its centre there, mm."""

    name: str
    structure: str
    z: int
    centre: tuple[float, float]


def turned_to_lps(image: nib.Nifti1Image) -> Volume:
    """The image in the axis order and direction nearest to LPS; nothing is interpolated."""
    wanted = nib.orientations.axcodes2ornt("LPS")
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted))
    return Volume(np.asarray(turned.dataobj), voxel_spacing(turned.affine))


def largest_slices(labels: Volume) -> dict[str, int]:
    """The slice where each structure is largest, each slice once; the middle one, unnamed, without any."""
    slices: dict[str, int] = {}
    for name, value in STRUCTURES.items():
        areas = np.count_nonzero(labels.values == value, axis=(0, 1))
        if areas.any() and int(areas.argmax()) not in slices.values():
            slices[name] = int(areas.argmax())
    return slices or {"": labels.values.shape[2] // 2}


def places(labels: Volume) -> list[Place]:
    """VS and the cochlea of either side; the middle of the volume if there is no structure."""
    found = []
    for name, value in STRUCTURES.items():
        where = np.argwhere(labels.values == value)
        if not len(where):
            continue
        left = where[:, 0] * labels.spacing[0]
        sides = {name: where}
        if name == "cochlea" and np.ptp(left) > COCHLEAE_APART_MM:
            middle = (left.min() + left.max()) / 2
            sides = {f"right {name}": where[left <= middle], f"left {name}": where[left > middle]}
        for side, voxels in sides.items():
            z = int(np.bincount(voxels[:, 2]).argmax())
            x, y = (voxels[voxels[:, 2] == z][:, :2].mean(axis=0) + 0.5) * labels.spacing[:2]
            found.append(Place(side, name, z, (float(x), float(y))))
    return found or [Place("no structure", "VS", labels.values.shape[2] // 2, labels.middle)]


def ears(labels: Volume) -> Window:
    """A window round all structures; the middle of the slice when there are none."""
    voxels = np.argwhere(labels.values > 0)[:, :2]
    if not len(voxels):
        return Window(labels.middle, EARS_MM)
    x, y = (voxels.min(axis=0) + voxels.max(axis=0) + 1) / 2 * labels.spacing[:2]
    return Window((float(x), float(y)), EARS_MM)
