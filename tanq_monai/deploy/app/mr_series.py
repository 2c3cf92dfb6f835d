"""A volume as a DICOM series of MR images, one file per slice.

Volumes are (I, J, K) with an affine that takes voxel indices to RAS, mm; slices are [:, :, k], DICOM's x is i.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

_HIGHEST = 65535  # of 16 bits
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_mr_series(
    folder: Path,
    volume: NDArray[np.floating],
    affine: NDArray[np.float64],
    tags: Dataset,
    slices: Sequence[Dataset] | None = None,
) -> list[Path]:
    r"""Write IM0001.dcm, IM0002.dcm, ... into ``folder``, which is made.

    Values are stored in 16 bits, :math:`v = s\,n + b` with one RescaleSlope s and RescaleIntercept b of the series, so
    that a reader gets them back to s / 2, 1/131070 of their range. (Parametric maps store floats, but few viewers and
    none of MONAI's readers open them.)

    Args:
        folder: of the files.
        volume: finite values.
        affine: without shear in the slices.
        tags: what all slices share: patient, study, frame of reference, series, sequence.
        slices: what each slice has besides.

    Returns:
        The files.

    Raises:
        ValueError: when the voxels are not finite or the affine shears the slices.
    """
    if not np.isfinite(volume).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(volume))} voxels are NaN or infinite")
    slope, intercept = _scaling(float(volume.min()), float(volume.max()))
    shared = Dataset()
    shared.update(tags)
    shared.update(plane_tags(affine))
    shared.RescaleSlope, shared.RescaleIntercept = slope, intercept
    shared.WindowCenter, shared.WindowWidth = _window(volume)
    shared.VOILUTFunction = "LINEAR_EXACT"  # the other one wants a width of at least 1
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for k in range(volume.shape[2]):
        image = Dataset()
        for part in (shared, _position(affine, k), slices[k] if slices else Dataset()):
            image.update(part)
        image.InstanceNumber = k + 1
        _set_pixels(image, _stored(volume[:, :, k], float(slope), float(intercept)))
        files.append(_write(image, folder / f"IM{k + 1:04}.dcm"))
    return files


def plane_tags(affine: NDArray[np.float64]) -> Dataset:
    """Orientation, pixel spacing and thickness of the slices.

    Raises:
        ValueError: when the affine shears the slices.
    """
    axes = (_LPS @ affine)[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    x, y, _ = (axes / spacing).T
    if abs(x @ y) > 1e-4:
        raise ValueError(f"the axes of a slice are not at right angles, their cosine is {x @ y:.2g}")
    tags = Dataset()
    tags.ImageOrientationPatient = [_number(value) for value in (*x, *y)]
    tags.PixelSpacing = [_number(spacing[1]), _number(spacing[0])]  # between rows, between columns
    tags.SliceThickness = tags.SpacingBetweenSlices = _number(round(float(spacing[2]), 6))
    return tags


def _position(affine: NDArray[np.float64], k: int) -> Dataset:
    corner = (_LPS @ affine @ (0, 0, k, 1))[:3]
    x, y = ((_LPS @ affine)[:3, axis] for axis in (0, 1))
    normal = np.cross(x, y) / np.linalg.norm(np.cross(x, y))
    tags = Dataset()
    tags.ImagePositionPatient = [_number(value) for value in corner]
    tags.SliceLocation = _number(float(corner @ normal))
    return tags


def _number(value: float) -> str:
    """As DICOM's decimal string, 16 letters at most; never -0."""
    return str(format_number_as_ds(float(value) + 0.0))


def _scaling(low: float, high: float) -> tuple[str, str]:
    """Slope and intercept as they are written."""
    return _number((high - low) / _HIGHEST if high > low else 1.0), _number(low)


def _stored(plane: NDArray[np.floating], slope: float, intercept: float) -> NDArray[np.uint16]:
    return np.clip(np.rint((plane.astype(np.float64) - intercept) / slope), 0, _HIGHEST).astype(np.uint16)


def _window(volume: NDArray[np.floating]) -> tuple[str, str]:
    """Centre and width that show all but the darkest and brightest hundredth."""
    low, high = np.percentile(volume, (1, 99))
    return _number((low + high) / 2), _number(max(high - low, 1e-3))


def _set_pixels(image: Dataset, stored: NDArray[np.uint16]) -> None:
    image.Columns, image.Rows = stored.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.PixelData = stored.T.astype("<u2").tobytes()


def _write(image: Dataset, path: Path) -> Path:
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, generate_uid(prefix=None)
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.save_as(path, enforce_file_format=True)
    return path
