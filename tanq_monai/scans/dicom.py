"""DICOM series: which files are its slices, in which order they lie, what they hold. pydicom is imported when needed.

Axes: i columns, j rows, k slices. A slice is a file, or a frame of an enhanced MR file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

Vector = NDArray[np.float64]
_EXPORT = "export it again as an MR series"
_FIRST_TAGS = (b"\x02\x00", b"\x08\x00")  # groups that a file without preamble begins with
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# SOP classes, by how their UIDs begin, of what lies beside slices: DICOMDIR, presentation states, reports and key
# objects, segmentations and raw data, documents, radiotherapy.
_NO_SLICES = ("1.2.840.10008.1.3.10", *(f"{_STORAGE}{n}" for n in ("11.", "88.", "66", "104.", "481.")))
# Where an enhanced file says for its frames what a slice says in its header; and what that is called there.
_OF_FRAMES = (
    "MRTimingAndRelatedParametersSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRImageFrameTypeSequence",
)
_RENAMED = {"EffectiveEchoTime": "EchoTime", "InversionTimes": "InversionTime", "FrameType": "ImageType"}


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice as its header describes it.

    Attributes:
        path: of the file.
        header: of the file.
        frame: of an enhanced file, from 0; None: the file is the slice.
        number: InstanceNumber; of a frame, its place in the file; None where there is none.
        position: of its first pixel, (x, y, z) mm, LPS.
        orientation: directions along a row and along a column, (2, 3).
        spacing: mm between rows and between columns.
        size: rows and columns.
        scaling: slope and intercept.
    """

    path: Path
    header: "Dataset"
    frame: int | None
    number: int | None
    position: Vector
    orientation: Vector
    spacing: Vector
    size: tuple[int, int]
    scaling: tuple[float, float]

    @property
    def height(self) -> float:
        """Mm along the normal of the slice."""
        return float(np.cross(*self.orientation) @ self.position)


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
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
    except Exception as error:  # a broken file may lead to any
        raise InputError(path, f"cannot be read as DICOM ({_reason(error)})", "copy it again") from error


def list_series(folder: Path, pixels: bool = False) -> dict[str, list[tuple[Path, "Dataset"]]]:
    """Files and headers of the images in and below a folder, by the UID of their series.

    What lies beside them, a DICOMDIR, reports, presentation states, is passed over.

    Raises:
        InputError: when a file cannot be read, or says of no series that it belongs to.
    """
    series: dict[str, list[tuple[Path, Dataset]]] = {}
    for path in sorted(path for path in folder.rglob("*") if is_dicom(path)):
        header = read_header(path, pixels)
        meta = getattr(header, "file_meta", {})
        kind = str(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
        if kind.startswith(_NO_SLICES):
            continue
        if not header.get("SeriesInstanceUID"):
            raise InputError(path, "says of no series that it belongs to, perhaps it is cut off", "copy it again")
        series.setdefault(str(header.SeriesInstanceUID), []).append((path, header))
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
        _check_contrast(slices[0].header, contrast, folder)
    return slices


def in_order(files: Iterable[tuple[Path, "Dataset"]], folder: Path) -> list[Slice]:
    """The slices of a series along their normal, in the direction that their numbers have, if these say one.

    Args:
        files: of one series, with their headers.
        folder: that they lie in.

    Raises:
        InputError: when they are not the slices of one regular volume of one patient.
    """
    slices = [one for path, header in files for one in _slices_in(path, header)]
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
    return ordered


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


def _begins_with_tag(head: bytes) -> bool:
    """Whether bytes are a first tag of DICOM: group 2 or 8, a small element, then letters (explicit) or a length."""
    if head[:2] not in _FIRST_TAGS or len(head) < 132 or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 64


def _slices_in(path: Path, header: "Dataset") -> list[Slice]:
    """The slice that a file is, or those that its frames are."""
    size = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if frames is None:
        if int(header.get("NumberOfFrames") or 1) > 1:
            raise InputError(
                path, "holds frames without positions", "export it again as enhanced MR or as single slices"
            )
        return [_slice(path, header, None, size, header.get("InstanceNumber"), header)]
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    flat = _as_of_a_slice(header, shared, frames[0])
    return [_slice(path, flat, n, size, n + 1, _Groups(frame, shared)) for n, frame in enumerate(frames)]


class _Groups:
    """What an enhanced file says of one frame: its own functional groups come before those of all frames."""

    _PLACES: Mapping[str, str] = {
        "ImagePositionPatient": "PlanePositionSequence",
        "ImageOrientationPatient": "PlaneOrientationSequence",
        "PixelSpacing": "PixelMeasuresSequence",
        "RescaleSlope": "PixelValueTransformationSequence",
        "RescaleIntercept": "PixelValueTransformationSequence",
    }

    def __init__(self, frame: "Dataset", shared: "Dataset | None") -> None:
        self.groups = [group for group in (frame, shared) if group is not None]

    def get(self, keyword: str) -> Any:
        """As of a header."""
        for group in self.groups:
            sequence = group.get(self._PLACES[keyword])
            if sequence:
                return sequence[0].get(keyword)
        return None


def _slice(path: Path, header: "Dataset", frame: int | None, size: tuple[int, int], number: Any, said: Any) -> Slice:
    values = {}
    for keyword, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        found = _numbers(path, said, keyword)
        if len(found) != count:
            raise InputError(path, f"has {len(found)} numbers as {keyword}, not {count}", _EXPORT)
        values[keyword] = found
    if min(size) < 1:
        raise InputError(path, "holds no pixels", _EXPORT)
    slope, intercept = (_numbers(path, said, word) for word in ("RescaleSlope", "RescaleIntercept"))
    scaling = float(slope[0]) if len(slope) else 1.0, float(intercept[0]) if len(intercept) else 0.0
    if scaling[0] == 0:
        raise InputError(path, "has a RescaleSlope of 0, which leaves nothing of its pixels", _EXPORT)
    orientation = values["ImageOrientationPatient"].reshape(2, 3)
    if not np.allclose(orientation @ orientation.T, np.eye(2), atol=0.01):
        raise InputError(path, "has an ImageOrientationPatient that is no two directions at right angles", _EXPORT)
    whole = None if number in (None, "") else int(number)
    position, spacing = values["ImagePositionPatient"], values["PixelSpacing"]
    return Slice(path, header, frame, whole, position, orientation, spacing, size, scaling)


def _numbers(path: Path, said: Any, keyword: str) -> Vector:
    """The values of an attribute; none where it is absent or empty."""
    try:
        value = said.get(keyword)
        found = np.array([] if value is None or value == "" else value, dtype=np.float64).reshape(-1)
    except Exception as error:  # of pydicom's many
        raise InputError(path, f"has a {keyword} that is no number ({_reason(error)})", _EXPORT) from error
    if not np.isfinite(found).all():
        raise InputError(path, f"has a {keyword} that is no finite number", _EXPORT)
    return found


def _as_of_a_slice(header: "Dataset", shared: "Dataset | None", frame: "Dataset") -> "Dataset":
    """The header of an enhanced file with what its first frame says, under the names that a slice's header has."""
    from pydicom.dataset import Dataset

    flat = Dataset()
    flat.update(header)
    flat.file_meta = header.file_meta
    for group in (part for part in (shared, frame) if part is not None):
        for sequence in (*_OF_FRAMES, "PixelMeasuresSequence"):
            for element in (group.get(sequence) or [Dataset()])[0]:
                keyword = _RENAMED.get(element.keyword, element.keyword)
                if keyword:
                    setattr(flat, keyword, element.value)
    return flat


def _check_contrast(header: "Dataset", contrast: str, folder: Path) -> None:
    try:
        from tanq_monai.scans.contrast import check_contrast
    except ImportError as error:
        problem = "is DICOM, whose contrast is told by rules in YAML, and PyYAML is not installed"
        raise InputError(folder, problem, "install PyYAML") from error
    check_contrast(header, contrast, folder)


def _decoded(one: Slice) -> NDArray[Any]:
    """(rows, columns), or (frames, rows, columns) of an enhanced file, as stored."""
    try:
        pixels: NDArray[Any] = one.header.pixel_array
    except Exception as error:  # of pydicom's many decoders
        remedy = "copy it again, or install the decoder that pydicom names"
        raise InputError(one.path, f"has no pixels that can be read ({_reason(error)})", remedy) from error
    expected = one.size if one.frame is None else (*pixels.shape[: pixels.ndim - 2], *one.size)
    if pixels.shape != expected or pixels.ndim > 3:
        raise InputError(one.path, f"has pixels of shape {pixels.shape}, not of one grey value each", _EXPORT)
    return pixels.reshape(-1, *one.size) if one.frame is not None else pixels


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
