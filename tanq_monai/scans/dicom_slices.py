"""What the header of a DICOM file says of its slices: one of a file, or one of every frame of an enhanced MR file."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

Vector = NDArray[np.float64]
EXPORT = "export it again as an MR series"
# Where an enhanced file says for its frames what a slice says in its header; and what that is called there.
_OF_FRAMES = (
    "MRTimingAndRelatedParametersSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRImageFrameTypeSequence",
)
_GREY = "MONOCHROME2"
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


def slices_in(path: Path, header: "Dataset") -> list[Slice]:
    """The slice that a file is, or those that its frames are.

    Raises:
        InputError: when it says too little of them, or what no slice has.
    """
    rows, columns, count = (_whole(path, header, word) or 0 for word in ("Rows", "Columns", "NumberOfFrames"))
    size, frames = (rows, columns), header.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        if count > 1:
            raise InputError(
                path, "holds frames without positions", "export it again as enhanced MR or as single slices"
            )
        return [_slice(path, header, None, size, _number(path, header), header)]
    if len(frames) != count:
        raise InputError(path, f"describes {len(frames)} frames and holds {count}", EXPORT)
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


def _slice(
    path: Path, header: "Dataset", frame: int | None, size: tuple[int, int], number: int | None, said: Any
) -> Slice:
    values = {}
    for keyword, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        found = _numbers(path, said, keyword)
        if len(found) != count:
            raise InputError(path, f"has {len(found)} numbers as {keyword}, not {count}", EXPORT)
        values[keyword] = found
    if min(size) < 1:
        raise InputError(path, "holds no pixels", EXPORT)
    slope, intercept = (_numbers(path, said, word) for word in ("RescaleSlope", "RescaleIntercept"))
    scaling = float(slope[0]) if len(slope) else 1.0, float(intercept[0]) if len(intercept) else 0.0
    if scaling[0] == 0:
        raise InputError(path, "has a RescaleSlope of 0, which leaves nothing of its pixels", EXPORT)
    look = str(header.get("PhotometricInterpretation") or _GREY)
    if look != _GREY:  # colours, or grey values of which the smallest is white
        raise InputError(path, f"has pixels in {look}, not grey values that grow brighter ({_GREY})", EXPORT)
    orientation = values["ImageOrientationPatient"].reshape(2, 3)
    if not np.allclose(orientation @ orientation.T, np.eye(2), atol=0.01):
        raise InputError(path, "has an ImageOrientationPatient that is no two directions at right angles", EXPORT)
    position, spacing = values["ImagePositionPatient"], values["PixelSpacing"]
    if spacing.min() <= 0:
        raise InputError(path, f"has a PixelSpacing of {spacing.tolist()} mm", EXPORT)
    return Slice(path, header, frame, number, position, orientation, spacing, size, scaling)


def _number(path: Path, header: "Dataset") -> int | None:
    """InstanceNumber; an ill-formed one is none, since positions decide."""
    with contextlib.suppress(InputError):
        return _whole(path, header, "InstanceNumber")
    return None


def _whole(path: Path, header: "Dataset", keyword: str) -> int | None:
    """A whole number of a header; None where it is absent or empty."""
    found = _numbers(path, header, keyword)
    return int(found[0]) if len(found) else None


def _numbers(path: Path, said: Any, keyword: str) -> Vector:
    """The values of an attribute; none where it is absent or empty."""
    try:
        value = said.get(keyword)
        found = np.array([] if value is None or value == "" else value, dtype=np.float64).reshape(-1)
    except Exception as error:  # of pydicom's many
        raise InputError(path, f"has a {keyword} that is no number ({reason_of(error)})", EXPORT) from error
    if not np.isfinite(found).all():
        raise InputError(path, f"has a {keyword} that is no finite number", EXPORT)
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


def reason_of(error: Exception) -> str:
    """Its first line."""
    return str(error).partition("\n")[0] or type(error).__name__
