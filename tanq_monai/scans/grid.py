"""Where the voxels of a scan lie, and files that lie there, too. Neither torch nor MONAI is imported.

nibabel, which imports pydicom wherever that is installed, is imported by the first scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.files import renewing
from tanq_monai.scans.nifti import SAME

if TYPE_CHECKING:
    import nibabel as nib

Affine = NDArray[np.float64]
STORED = "LPS"  # where the axes of crossMoDA's scans point, and of all that is trained here
SCANNER = 1  # code of a NIfTI transform: mm in the scanner
_AS_IT_IS = np.array([[0, 1], [1, 1], [2, 1]])


class Transform(NamedTuple):
    """One of the two transforms of a NIfTI header: voxel to mm, (4, 4), and its code; 0: it says nothing."""

    matrix: Affine
    code: int


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid of a scan.

    Attributes:
        shape: voxels (i, j, k).
        affine: voxel to mm, RAS, (4, 4).
        qform: as in the NIfTI header; of DICOM the affine, in the scanner.
        sform: the same. Programs differ in which of the two they go by where both say something.
        pixdim: voxel edges in mm as a NIfTI header has them besides, which nnU-Net goes by.
    """

    shape: tuple[int, int, int]
    affine: Affine
    qform: Transform
    sform: Transform
    pixdim: tuple[float, ...]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edges in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return i, j, k

    @property
    def orientation(self) -> str:
        """Where the axes point, to the nearest: LPS for i to the left, j to posterior, k to superior."""
        from nibabel.orientations import aff2axcodes

        return "".join(aff2axcodes(self.affine))

    def mm_beside(self, other: "Grid") -> float:
        """How far the corner that differs most lies beside that of ``other``, of the same shape."""
        ends = [(0, size - 1) for size in self.shape]
        corners = np.array([[*corner, 1] for corner in np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)])
        return float(np.linalg.norm((corners @ (self.affine - other.affine).T)[:, :3], axis=1).max())

    def is_same(self, other: "Grid") -> bool:
        """Whether the voxels of both are the same in space, to a tenth of the smallest voxel edge."""
        return self.shape == other.shape and self.mm_beside(other) <= SAME * min(other.spacing)

    def check_same(self, other: "Grid", path: Path, called: str) -> None:
        """Raise unless :meth:`is_same`.

        Args:
            other: that decides.
            path: what lies on this grid, for the message.
            called: what lies on the other one.

        Raises:
            InputError: when shape or place differ.
        """
        if self.is_same(other):
            return
        remedy = f"resample it to the grid of {called} with nearest neighbours"
        if self.shape != other.shape:
            raise InputError(path, f"has shape {self.shape}, {called} {other.shape}", remedy)
        raise InputError(path, f"lies up to {self.mm_beside(other):.2f} mm beside {called} (affines differ)", remedy)

    def turned(self, voxels: NDArray[Any], to: str) -> tuple[NDArray[Any], "Grid"]:
        """Voxels (i, j, k, ...) with their axes permuted and flipped so that they point ``to``, and their grid.

        Nothing moves in space. The grid is that of the scanner, where it is another one.
        """
        from nibabel.orientations import inv_ornt_aff

        turn = reorientation(self.affine, to)
        if np.array_equal(turn, _AS_IT_IS):
            return voxels, self
        turned = reoriented(voxels, turn)
        return turned, in_scanner(turned.shape, self.affine @ inv_ornt_aff(turn, self.shape))

    def image(self, voxels: NDArray[Any], slope: float = 1.0) -> "nib.Nifti1Image":
        """A NIfTI image of voxels (i, j, k) on this grid: any program finds it where it finds the scan.

        Args:
            voxels: as they are stored.
            slope: that a reader multiplies them with.
        """
        import nibabel as nib

        image = nib.Nifti1Image(voxels, self.affine)
        if slope != 1:
            image.header.set_slope_inter(slope, 0)
        image.header.set_zooms(self.spacing)
        image.header.set_xyzt_units("mm")
        for transform, place in ((self.qform, image.set_qform), (self.sform, image.set_sform)):
            place(transform.matrix if transform.code else None, transform.code)
        return image

    def save(self, voxels: NDArray[Any], path: str | Path, slope: float = 1.0) -> None:
        """Write :meth:`image`, completely or not at all, and over nothing that no run wrote.

        Raises:
            InputError: as :func:`tanq_monai.files.renewing`.
        """
        import nibabel as nib

        with renewing(path) as temporary:
            nib.save(self.image(voxels, slope), temporary)


def reorientation(affine: NDArray[np.floating], to: str) -> NDArray[np.floating]:
    """nibabel's orientation transform (3, 2): of each axis of an array, which axis it becomes, and -1 where flipped.

    Args:
        affine: voxel to mm, RAS, (4, 4); may be oblique.
        to: where the axes are to point, to the nearest: LPS for left, posterior, superior.
    """
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    turn: NDArray[np.floating] = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(to)))
    return turn


def reoriented(voxels: NDArray[Any], turn: NDArray[np.floating]) -> NDArray[Any]:
    """An array (i, j, k, ...) with its axes permuted and flipped as an orientation transform says."""
    from nibabel.orientations import apply_orientation

    turned: NDArray[Any] = apply_orientation(voxels, turn)
    return turned


def turned_back(turn: NDArray[np.floating]) -> NDArray[np.floating]:
    """The orientation transform that undoes another one."""
    from nibabel.orientations import ornt_transform

    back: NDArray[np.floating] = ornt_transform(_AS_IT_IS, turn)
    return back


def in_scanner(shape: Sequence[int], affine: Affine) -> Grid:
    """The grid of what has no NIfTI header."""
    i, j, k = shape
    place = Transform(affine, SCANNER)
    return Grid((i, j, k), affine, place, place, tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist()))


def grid_of(image: "nib.Nifti1Image") -> Grid:
    """The grid of a NIfTI image of three dimensions."""
    i, j, k = image.shape
    affine = np.asarray(image.affine, dtype=np.float64)
    coded = image.get_qform(coded=True), image.get_sform(coded=True)
    qform, sform = (Transform(affine if matrix is None else matrix, int(code)) for matrix, code in coded)
    return Grid((i, j, k), affine, qform, sform, tuple(float(mm) for mm in image.header.get_zooms()))
