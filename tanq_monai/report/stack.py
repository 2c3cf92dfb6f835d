"""A case as a stack of small pictures: axial slices through the structures, and their contours in mm.

How the page stays small: a slice is cropped to the ears (104 x 64 mm), has 8 bits and at most 260 x 160 pixels; a case
has at most 32 slices, and its JPEG quality is the highest at which all of them together take at most 450 kB. Encoded as
text, with contours, 64 cases stay below 50 MB whatever the scans show.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import binary_dilation

from tanq_monai.report.axial import Place, Volume, Window, ears, grey_limits, places
from tanq_monai.report.contours import contours
from tanq_monai.structures import Structures

PIXELS = (260, 160)
MAX_SLICES = 32
MAX_BYTES = 450_000
QUALITIES = (90, 75, 60, 45, 30, 15)
UNITS = 100  # of the drawing per mm: whole numbers keep the contours short
BESIDE = 2  # slices shown above and below a structure
SCALE_MM = 20  # of the whole window; a closer look divides both by the same number
CLOSER = {"cochlea": 4}  # other structures: 2
BRIGHTEST = 4.0

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Slice:
    """One picture.

    Args:
        z: slice number from the feet, from 0.
        mm: above the lowest slice.
        jpeg: the grey picture.
        found: SVG path of each predicted structure that is there, in hundredths of mm from the window's corner.
        true: the same of the truth.
        shows: the structures that it stands for on paper, usually none.
    """

    z: int
    mm: float
    jpeg: bytes
    found: Mapping[str, str]
    true: Mapping[str, str]
    shows: Sequence[str]

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


@dataclass(frozen=True)
class View:
    """A place to look at closely.

    Args:
        name: of the structure, with its side.
        structure: its name alone.
        z: slice number.
        box: the part of the drawing.
        scale_mm: what the scale bar then measures.
        bright: by what the picture is multiplied to show it as bright as the whole; a cochlea is darker than fluid.
    """

    name: str
    structure: str
    z: int
    box: Box
    scale_mm: int
    bright: float


@dataclass(frozen=True)
class Stack:
    """The slices of a case, from the feet up.

    Args:
        slices: those with a structure, predicted or true, and some beside them.
        depth: slices of the whole scan.
        box: what the pictures cover of the drawing (x, y, width, height).
        views: places of the structures, the truth's before the prediction's.
        outside_mm3: of each structure, what was predicted outside the window.
    """

    slices: Sequence[Slice]
    depth: int
    box: Box
    views: Sequence[View]
    outside_mm3: Mapping[str, float]


def make_stack(scan: Volume, found: Volume, true: Volume | None, structures: Structures) -> Stack:
    """Draw a case.

    Args:
        scan: grey values.
        found: the predicted labels, on the grid of ``scan``.
        true: the true ones, where there are some.
        structures: names and label values.
    """
    window = ears(found if true is None or not true.values.any() else true)
    spots = places(_best_known(found, true), structures)
    keys = {spot.z for spot in spots}
    holds = np.any([labels.values.any(axis=(0, 1)) for labels in (found, true) if labels is not None], axis=0)
    numbers = shown_slices(holds, keys)
    box, pictures = _pictures(scan, numbers, window)
    drawn = [
        Slice(
            z,
            z * float(scan.spacing[2]),
            jpeg,
            _paths(found, z, window, structures),
            {} if true is None else _paths(true, z, window, structures),
            [spot.name for spot in spots if spot.z == z],
        )
        for z, jpeg in zip(numbers, pictures, strict=True)
    ]
    views = [_view(spot, window, scan) for spot in spots]
    return Stack(drawn, scan.values.shape[2], box, views, _outside(found, window, structures))


def shown_slices(holds: npt.NDArray[np.bool_], keys: set[int]) -> list[int]:
    """Numbers of the slices to show: those that hold a structure and two beside; every few of them if they are many.

    Args:
        holds: (Z,), whether a slice holds a structure.
        keys: slices to show anyway.
    """
    wanted = holds.copy()
    wanted[list(keys)] = True
    near = np.flatnonzero(binary_dilation(wanted, iterations=BESIDE))
    if len(near) <= MAX_SLICES:
        return [int(z) for z in near]
    spread = near[np.linspace(0, len(near) - 1, MAX_SLICES - len(keys)).round().astype(int)]
    return sorted({*(int(z) for z in spread), *keys})


def _best_known(found: Volume, true: Volume | None) -> Volume:
    """The true labels, and of the prediction the structures that the truth lacks."""
    if true is None:
        return found
    more = ~np.isin(found.values, true.values) & (true.values == 0)
    return found._replace(values=np.where(more, found.values, true.values))


def _pictures(scan: Volume, numbers: Sequence[int], window: Window) -> tuple[Box, list[bytes]]:
    """What of the window the scan covers, and a JPEG of it from every slice."""
    corner, spacing = np.array(_corner(window)), scan.spacing[:2]
    first, last = (
        np.clip(edge, 0, scan.values.shape[:2]).astype(int)
        for edge in (np.floor(corner / spacing), np.ceil((corner + window.size) / spacing))
    )
    part = scan.values[first[0] : last[0], first[1] : last[1], list(numbers)].astype(np.float64)
    low, high = grey_limits(scan)
    bright = np.rint(255 * np.clip((part - low) / (high - low), 0, 1)).astype(np.uint8)
    images = [Image.fromarray(np.ascontiguousarray(bright[:, :, i].T)) for i in range(len(numbers))]
    for image in images:
        image.thumbnail(PIXELS, Image.Resampling.LANCZOS)
    x, y, wide, tall = np.rint(UNITS * np.concatenate([first * spacing - corner, (last - first) * spacing])).astype(int)
    return (int(x), int(y), int(wide), int(tall)), _encoded(images)


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


def _paths(labels: Volume, z: int, window: Window, structures: Structures) -> dict[str, str]:
    corner = np.array(_corner(window))
    paths = {}
    for name, value in structures.items():
        lines = contours(np.equal(labels.values[:, :, z], value), labels.spacing)
        if lines:
            paths[name] = "".join(_path(line - corner) for line in lines)
    return paths


def _path(line: npt.NDArray[np.float64]) -> str:
    """A closed SVG path in steps, which are shorter to write than places."""
    points = np.rint(UNITS * line[:-1]).astype(int)
    start, steps = points[0], np.diff(points, axis=0)
    return f"M{start[0]} {start[1]}l{' '.join(f'{x} {y}' for x, y in steps)}z"


def _view(place: Place, window: Window, scan: Volume) -> View:
    times = CLOSER.get(place.structure, 2)
    closer = Window(place.centre, (window.size[0] / times, window.size[1] / times))
    edges = np.array([*np.subtract(_corner(closer), _corner(window)), *closer.size])
    x, y, wide, tall = (int(edge) for edge in np.rint(UNITS * edges))
    (black, white), (_, brightest) = grey_limits(scan), grey_limits(scan, place.z, closer)
    bright = float(np.clip((white - black) / max(brightest - black, 1e-6), 1, BRIGHTEST))
    return View(place.name, place.structure, place.z, (x, y, wide, tall), SCALE_MM // times, bright)


def _outside(labels: Volume, window: Window, structures: Structures) -> dict[str, float]:
    """mm3 of each structure whose voxels have their middle outside the window; those without any left out."""
    voxel_mm3, corner = float(np.prod(labels.spacing)), np.array(_corner(window))
    volumes = {}
    for name, value in structures.items():
        at = (np.argwhere(labels.values == value)[:, :2] + 0.5) * labels.spacing[:2] - corner
        volumes[name] = float(((at < 0) | (at > window.size)).any(axis=1).sum()) * voxel_mm3
    return {name: mm3 for name, mm3 in volumes.items() if mm3}


def _corner(window: Window) -> tuple[float, float]:
    (x, y), (wide, tall) = window
    return x - wide / 2, y - tall / 2
