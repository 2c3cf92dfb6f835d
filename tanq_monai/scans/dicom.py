"""DICOM series: which files are its slices, in which order they lie, what they hold. pydicom is imported when needed.

Axes: i columns, j rows, k slices. A slice is a file, or a frame of an enhanced MR file.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.scans.dicom_slices import EXPORT, Slice, Vector, reason_of, slices_in

if TYPE_CHECKING:
    from pydicom import Dataset

_FIRST_TAGS = (b"\x02\x00", b"\x08\x00")  # groups that a file without preamble begins with
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# SOP classes, by how their UIDs begin, of what lies beside slices: DICOMDIR, presentation states, reports and key
# objects, segmentations and raw data, documents, radiotherapy.
_NO_SLICES = ("1.2.840.10008.1.3.10", *(f"{_STORAGE}{n}" for n in ("11.", "88.", "66", "104.", "481.")))


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with its preamble or without."""
    if path.name.startswith(".") or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:  # not ours to read
        return False
    return head[128:] == b"DICM" or _begins_with_tag(head)


def read_header(path: Path, pixels: bool = False) -> "Dataset":
    """What a file says of its slices, with its pixels where they are asked for.

    Raises:
        InputError: when it cannot be read, or pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise InputError(path, "is DICOM, which pydicom reads, and it is not installed", "install pydicom") from error
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    try:
        header = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
        if "TransferSyntaxUID" not in header.file_meta:  # as files begin that have no meta header
            implicit = header.original_encoding[0]
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        return header
    except Exception as error:  # a broken file may lead to any
        raise InputError(path, f"cannot be read as DICOM ({reason_of(error)})", "copy it again") from error


def list_series(folder: Path, pixels: bool = False) -> dict[str, list[tuple[Path, "Dataset"]]]:
    """Files and headers of the images in and below a folder, see :func:`series_among`."""
    return series_among(sorted(folder.rglob("*")), pixels)


def series_among(paths: Iterable[Path], pixels: bool = False) -> dict[str, list[tuple[Path, "Dataset"]]]:
    """Files and headers of the images among files and folders, by the UID of their series.

    What lies beside them, a DICOMDIR, reports, presentation states, is passed over.

    Raises:
        InputError: when a file cannot be read, is none though it is called like the slices beside it, or says of no
            series that it belongs to.
    """
    series: dict[str, list[tuple[Path, Dataset]]] = {}
    others = []
    for path in paths:
        if not is_dicom(path):
            others.append(path)
            continue
        header = read_header(path, pixels)
        meta = getattr(header, "file_meta", {})
        kind = str(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
        if kind.startswith(_NO_SLICES):
            continue
        if not header.get("SeriesInstanceUID"):
            raise InputError(path, "says of no series that it belongs to, perhaps it is cut off", "copy it again")
        series.setdefault(str(header.SeriesInstanceUID), []).append((path, header))
    called = {_but_for_numbers(path) for files in series.values() for path, _ in files}
    for path in others:
        if not path.is_dir() and _but_for_numbers(path) in called:  # at the end of a series, nothing else would show it
            raise InputError(path, "is called like the slices beside it and is no DICOM file", "copy it again")
    return series


def slices_of(folder: Path, contrast: str | None = None, pixels: bool = False) -> list[Slice]:
    """The slices of the one series in and below ``folder``, in their order.

    Args:
        folder: of the series.
        contrast: what its header must not be against, see :func:`tanq_monai.scans.contrast.check_contrast`; None: any.
        pixels: read them along.

    Raises:
        InputError: when there is no series, or more than one, or its slices are not those of one regular volume.
    """
    series = list_series(folder, pixels)
    if len(series) > 1:
        raise InputError(folder, f"holds {len(series)} DICOM series", "give every series a folder of its own")
    slices = in_order(next(iter(series.values()), []), folder)
    if contrast is not None:
        check_header(slices[0].header, contrast, folder)
    return slices


def check_header(header: "Dataset", contrast: str, folder: Path) -> None:
    """Raise when what the header of a series says speaks against ``contrast``.

    Raises:
        InputError: when it does, see :func:`tanq_monai.scans.contrast.check_contrast`; when PyYAML is not installed.
    """
    try:
        from tanq_monai.scans.contrast import check_contrast

        check_contrast(header, contrast, folder)
    except ImportError as error:
        problem = "is DICOM, whose contrast is told by rules in YAML, and PyYAML is not installed"
        raise InputError(folder, problem, "install PyYAML") from error


def in_order(files: Iterable[tuple[Path, "Dataset"]], folder: Path) -> list[Slice]:
    """The slices of a series along their normal, in the direction that their numbers have, if these say one.

    Args:
        files: of one series, with their headers.
        folder: that they lie in.

    Raises:
        InputError: when they are not the slices of one regular volume of one patient.
    """
    slices = [one for path, header in files for one in slices_in(path, header)]
    if len(slices) < 2:
        raise InputError(folder, f"holds {len(slices)} DICOM slices", "give the folder of one whole series")
    patients = {str(one.header.get("PatientID") or "") for one in slices} - {""}
    if len(patients) > 1:
        raise InputError(folder, f"holds slices of {len(patients)} patients", "give every series a folder of its own")
    first = slices[0]
    if max(np.abs(one.orientation - first.orientation).max() for one in slices) > 1e-3:
        raise InputError(folder, "holds slices of several orientations", "give a series of parallel slices")
    if any(one.size != first.size or not np.allclose(one.spacing, first.spacing, rtol=1e-3) for one in slices):
        raise InputError(folder, "holds slices of several sizes", "give a series of equal slices")
    ordered = sorted(slices, key=lambda one: float(np.cross(*first.orientation) @ one.position))
    numbers = [one.number for one in ordered]
    if None not in numbers and numbers == sorted(set(numbers), reverse=True):  # type: ignore[type-var]
        ordered.reverse()
    steps = np.abs(np.diff([one.height for one in ordered]))
    if steps.min() <= 0 or steps.max() - steps.min() > 0.1 * np.median(steps):
        problem = f"has slice steps from {steps.min():.2f} to {steps.max():.2f} mm"
        raise InputError(folder, problem, "complete the series or remove doubled slices")
    beside = _beside_line(ordered)
    if beside > 0.5 * first.spacing.min():
        raise InputError(folder, f"has slices up to {beside:.1f} mm beside the line of the others", "export it again")
    return ordered


def _beside_line(slices: Sequence[Slice]) -> float:
    """How far a slice is moved in its plane off the line from the first to the last one, mm."""
    places, heights = np.stack([one.position for one in slices]), np.array([one.height for one in slices])
    share = (heights - heights[0]) / (heights[-1] - heights[0])
    return float(np.linalg.norm(places - places[0] - share[:, None] * (places[-1] - places[0]), axis=1).max())


def affine_of(slices: Sequence[Slice]) -> Vector:
    """Voxel (i, j, k) to mm, RAS, (4, 4), of slices in their order."""
    first, last = slices[0], slices[-1]
    between_rows, between_columns = first.spacing
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = first.orientation[0] * between_columns, first.orientation[1] * between_rows
    affine[:3, 2] = (last.position - first.position) / (len(slices) - 1)
    affine[:3, 3] = first.position
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM is LPS


def voxels_of(slices: Sequence[Slice]) -> NDArray[Any]:
    """(i, j, k) of slices in their order, whose pixels were read; scaled, where they say how.

    Raises:
        InputError: when pixels cannot be decoded.
    """
    decoded: dict[Path, NDArray[Any]] = {}
    planes = []
    for one in slices:
        if one.path not in decoded:
            decoded[one.path] = _decoded(one)
        plane = decoded[one.path] if one.frame is None else decoded[one.path][one.frame]
        slope, intercept = one.scaling
        planes.append(plane.T if one.scaling == (1, 0) else plane.T * np.float32(slope) + np.float32(intercept))
        if one.frame is None:
            del decoded[one.path]
    return np.ascontiguousarray(np.stack(planes, axis=-1))


def _but_for_numbers(path: Path) -> Path:
    """The path with every number in the name the same."""
    return path.with_name(re.sub(r"\d+", "0", path.name))


def _begins_with_tag(head: bytes) -> bool:
    """Whether bytes are a first tag of DICOM: group 2 or 8, a small element, then letters (explicit) or a length."""
    if head[:2] not in _FIRST_TAGS or len(head) < 132 or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 64


def _decoded(one: Slice) -> NDArray[Any]:
    """(rows, columns), or (frames, rows, columns) of an enhanced file, as stored."""
    try:
        pixels: NDArray[Any] = one.header.pixel_array
    except Exception as error:  # of pydicom's many decoders
        remedy = "copy it again, or install the decoder that pydicom names"
        raise InputError(one.path, f"has no pixels that can be read ({reason_of(error)})", remedy) from error
    expected = one.size if one.frame is None else (*pixels.shape[: pixels.ndim - 2], *one.size)
    if pixels.shape != expected or pixels.ndim > 3:
        raise InputError(one.path, f"has pixels of shape {pixels.shape}, not of one grey value each", EXPORT)
    return pixels.reshape(-1, *one.size) if one.frame is not None else pixels
