"""NIfTI files: is this one volume of a head, and where does it lie. Told in one line where it is not."""

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError

if TYPE_CHECKING:
    import nibabel as nib

MIN_EDGE, MAX_EDGE = 0.01, 50.0  # mm, of a voxel of a head
MAX_EXTENT = 600.0  # mm, of a field of view with a head in it
MAX_OFFSET = 1e5  # mm, from the origin; single precision, which headers have, holds a hundredth of a mm there
SAME = 0.1  # of the smallest voxel edge: what lies closer is in one place
_MAX_COSINE = 0.1  # of two axes: 6 degrees off the right angle
_GZIP = 1032  # bytes that one byte of a gzip file holds at most
_IN_MM = "give it an affine in mm"
_UNITS = ("mm", "unknown")


def open_nifti(path: Path) -> "nib.Nifti1Image":
    """The volume, of which only the header has been read.

    Raises:
        InputError: when it is none of grey values of a head, in three dimensions.
    """
    import nibabel as nib
    from nibabel.openers import ImageOpener

    with told_as_unreadable(path):
        size = _size(path)
        image = _load(path)
        if isinstance(image, nib.Nifti1Image):
            matrix, code = image.get_qform(coded=True)  # which need not be what the affine is of
            if code and not np.isfinite(matrix).all():
                raise InputError(path, "has a qform with NaN or infinite numbers", "mend its header")
            with ImageOpener(path) as stream:  # before nibabel mends it
                stored = type(image.header).from_fileobj(stream, check=False)["pixdim"][1:4]
    if not isinstance(image, nib.Nifti1Image):
        raise InputError(path, f"is no NIfTI volume but {type(image).__name__}", "give a .nii.gz file")
    if image.ndim != 3:
        raise InputError(path, f"has {image.ndim} dimensions {image.shape}", "give one 3D volume per file")
    _check_content(path, image, size)
    check_affine(path, image.affine, image.shape)
    _check_pixdim(path, image, stored, has_qform=code > 0)
    _check_unit(path, image)
    return image


def read_voxels(path: Path, image: "nib.Nifti1Image") -> NDArray[Any]:
    """What a file that :func:`open_nifti` has opened holds, scaled as its header says.

    Raises:
        InputError: when it cannot be read to its end, or a byte has changed since it was compressed.
    """
    with told_as_unreadable(path):
        if not path.name.lower().endswith(".gz"):
            return np.asanyarray(image.dataobj)
        with gzip.open(path) as stream:
            voxels: NDArray[Any] = np.asanyarray(type(image).from_stream(stream).dataobj)
            while stream.read(1 << 20):  # the checksum stands at the end, behind the voxels
                pass
        return voxels


def check_affine(path: Path, affine: NDArray[np.floating], shape: tuple[int, ...]) -> None:
    """Raise unless an affine (4, 4) puts voxels of ``shape`` where a head can be."""
    if not np.isfinite(affine).all():
        raise InputError(path, "has an affine with NaN or infinite numbers", _IN_MM)
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if not (edges.min() > MIN_EDGE and edges.max() < MAX_EDGE):
        raise InputError(path, f"has voxels of {_product(edges)} mm", _IN_MM)
    if np.abs(affine[:3, 3]).max() > MAX_OFFSET:
        raise InputError(path, f"lies {np.abs(affine[:3, 3]).max():.3g} mm away from the origin", _IN_MM)
    extent = edges * shape
    if extent.max() > MAX_EXTENT:
        raise InputError(path, f"spans {_product(extent)} mm", _IN_MM)
    cosine = cosine_of_axes(affine)
    if cosine > _MAX_COSINE:
        problem = f"has axes that are not at right angles (the cosine of two is {cosine:.2f})"
        raise InputError(path, problem, "resample it to a grid without shear")


def cosine_of_axes(affine: NDArray[np.floating]) -> float:
    """The largest cosine of two axes of an affine (4, 4), 0 where all are at right angles: how sheared a grid is."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


@contextlib.contextmanager
def told_as_unreadable(path: Path) -> Iterator[None]:
    """What nibabel raises about a broken file becomes one line."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    broken = (ImageFileError, HeaderDataError, EOFError, ValueError, ArithmeticError, MemoryError, zlib.error)
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", "look for its right name") from error
    except PermissionError as error:
        raise InputError(path, "may not be read", "ask its owner, or take it out") from error
    except (OSError, *broken) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(path, f"cannot be read as NIfTI ({reason})", "copy it again") from error


def _load(path: Path) -> "nib.Nifti1Image":
    import nibabel as nib
    from nibabel.fileholders import FileHolder

    ending = path.name[-len(".nii.gz") :].partition(".")[2]
    if ending in (ending.lower(), ending.upper()):
        return nib.load(path)
    return nib.Nifti1Image.from_file_map({"image": FileHolder(str(path))})  # for .Nii.gz, nib.load looks for .nii.gz


def _size(path: Path) -> int:
    size = path.stat().st_size
    if size == 0:
        raise InputError(path, "is empty", "copy it again")
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return size * _GZIP if packed else size


def _check_content(path: Path, image: "nib.Nifti1Image", largest: int) -> None:
    dtype = image.get_data_dtype()
    if dtype.fields:
        raise InputError(path, f"has {len(dtype.fields)} channels of colour", "give one grey value per voxel")
    if dtype.kind == "c":
        raise InputError(path, "holds complex numbers", "give the magnitude")
    count = int(np.prod([int(n) for n in image.shape], dtype=object))
    if count < 2:
        raise InputError(path, f"has {count} voxels {image.shape}", "give a volume")
    if count * dtype.itemsize > largest:
        problem = f"promises {image.shape} voxels, more than its file can hold"
        raise InputError(path, problem, "copy it again")


def _check_pixdim(path: Path, image: "nib.Nifti1Image", stored: NDArray[np.floating], has_qform: bool) -> None:
    """Raise where ITK, which takes voxel edges from pixdim whatever the affine says, puts voxels elsewhere.

    Args:
        path: of the file.
        image: in it.
        stored: voxel edges as they stand in the file, mm.
        has_qform: whose edges they are: a result gets that, too, and lies on its scan to all programs.
    """
    if not np.isfinite(stored).all():
        raise InputError(path, "has voxel sizes (pixdim) that are NaN or infinite", "mend its header")
    if stored.min() < 0:
        raise InputError(path, f"has voxel sizes (pixdim) of {_product(stored)} mm", "mend its header")
    edges = np.linalg.norm(image.affine[:3, :3], axis=0)
    beside = np.abs(image.header.get_zooms() - edges) * (np.array(image.shape) - 1)
    if not has_qform and beside.max() > SAME * edges.min():
        problem = f"has voxels of {_product(edges)} mm by its affine and {_product(stored)} mm by pixdim"
        raise InputError(path, problem, "mend its header, by the one that is right")


def _check_unit(path: Path, image: "nib.Nifti1Image") -> None:
    """Raise where the header names another unit than mm: ITK goes by it, nibabel does not."""
    try:
        unit = image.header.get_xyzt_units()[0]
    except KeyError:  # there is none of that number
        unit = "an unknown unit"
    if unit not in _UNITS:
        raise InputError(path, f"has a header in {unit}", "store it in mm")


def _product(lengths: NDArray[np.floating]) -> str:
    return " x ".join(f"{length:.3g}" for length in lengths)
