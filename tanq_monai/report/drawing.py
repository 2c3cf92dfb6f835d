"""Cuts through a scan along its voxel axes, as small grey pictures with the outlines of labels, in true mm.

How pages stay small: a picture shows no more than its window, has 8 bits and at most 260 x 160 pixels; and all pictures
of a case have the best JPEG quality at which they take at most 450 kB together.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from tanq_monai.report.axial import Volume, Window, corner_of
from tanq_monai.report.contours import contours
from tanq_monai.structures import Structures

PIXELS = (260, 160)
MAX_BYTES = 450_000
QUALITIES = (90, 75, 60, 45, 30, 15)
UNITS = 100  # of a drawing per mm: whole numbers keep the outlines short
SAGITTAL, CORONAL, AXIAL = range(3)  # the axis that a plane cuts across
MARKS = {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}
"""What a plane has at its left, right, top and bottom: the patient's right, left, front (A), back (P), head, feet."""

Box = tuple[int, int, int, int]
Values = npt.NDArray[Any]


class Cut(NamedTuple):
    """What is to be drawn.

    Args:
        scan: whose grey values are shown.
        axis: that the plane cuts across.
        number: of the plane.
        window: what is shown, mm from the upper left corner of the plane.
        limits: black and white point.
    """

    scan: Volume
    axis: int
    number: int
    window: Window
    limits: tuple[float, float]


@dataclass(frozen=True)
class Drawing:
    """A picture and its outlines, in hundredths of mm from the window's corner.

    Args:
        jpeg: the grey picture.
        size: of the window (width, height).
        box: what the picture covers of it (x, y, width, height).
        found: SVG path of each predicted structure that is there.
        true: the same of the truth.
    """

    jpeg: bytes
    size: tuple[int, int]
    box: Box
    found: Mapping[str, str]
    true: Mapping[str, str]

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


def draw(cuts: Sequence[Cut], found: Volume, true: Volume | None, structures: Structures) -> list[Drawing]:
    """Draw the cuts of a case, with the outlines of its labels.

    Args:
        cuts: in any planes, of scans on one grid.
        found: the predicted labels, on that grid.
        true: the true ones, where there are some.
        structures: names and label values.
    """
    pictures = [_picture(cut) for cut in cuts]
    files = _encoded([image for image, _ in pictures])
    return [
        Drawing(jpeg, _size(cut), box, _paths(found, cut, structures), _paths(true, cut, structures))
        for cut, (_, box), jpeg in zip(cuts, pictures, files, strict=True)
    ]


def plane_of(volume: Volume, axis: int, index: int) -> tuple[Values, npt.NDArray[np.float64]]:
    """Values (W, H) of a plane from its left and its top on, and the edges of its pixels, mm."""
    plane = np.moveaxis(volume.values, axis, 0)[index]  # a view: take() would copy all of the volume
    return plane if axis == AXIAL else plane[:, ::-1], np.delete(volume.spacing, axis)


def _picture(cut: Cut) -> tuple[Image.Image, Box]:
    """The plane as far as the window shows it, and what it covers of the window."""
    plane, spacing = plane_of(cut.scan, cut.axis, cut.number)
    corner = np.array(corner_of(cut.window))
    first, last = (
        np.clip(edge, 0, plane.shape).astype(int)
        for edge in (np.floor(corner / spacing), np.ceil((corner + cut.window.size) / spacing))
    )
    low, high = cut.limits
    part = plane[first[0] : last[0], first[1] : last[1]].astype(np.float64)
    bright = np.rint(255 * np.clip((part - low) / (high - low), 0, 1)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(bright.T))
    image.thumbnail(PIXELS, Image.Resampling.LANCZOS)
    x, y, wide, tall = np.rint(UNITS * np.concatenate([first * spacing - corner, (last - first) * spacing])).astype(int)
    return image, (int(x), int(y), int(wide), int(tall))


def _encoded(images: Sequence[Image.Image]) -> list[bytes]:
    """JPEGs of the best quality at which they take ``MAX_BYTES``, or of the lowest."""
    files: list[bytes] = []
    for quality in QUALITIES:
        files = [_jpeg(image, quality) for image in images]
        if sum(map(len, files)) <= MAX_BYTES:
            break
    return files


def _jpeg(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def _size(cut: Cut) -> tuple[int, int]:
    wide, tall = cut.window.size
    return round(UNITS * wide), round(UNITS * tall)


def _paths(labels: Volume | None, cut: Cut, structures: Structures) -> dict[str, str]:
    if labels is None:
        return {}
    plane, spacing = plane_of(labels, cut.axis, cut.number)
    corner = np.array(corner_of(cut.window))
    paths = {}
    for name, value in structures.items():
        lines = contours(np.equal(plane, value), spacing)
        if lines:
            paths[name] = "".join(_path(line - corner) for line in lines)
    return paths


def _path(line: npt.NDArray[np.float64]) -> str:
    """A closed SVG path in steps, which are shorter to write than places."""
    points = np.rint(UNITS * line[:-1]).astype(int)
    start, steps = points[0], np.diff(points, axis=0)
    return f"M{start[0]} {start[1]}l{' '.join(f'{x} {y}' for x, y in steps)}z"
