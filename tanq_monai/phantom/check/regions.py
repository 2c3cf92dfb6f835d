"""Reference tissues beside the labelled structures, found from the label map: brain, CSF, petrous bone.

The midpoint between the cochleae and the line through them give a head frame (rightward, forward, upward), the same
in a virtual and a real head. The pons lies behind and above that midpoint, the fourth ventricle behind the pons.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.anatomy.measured import Mask, Vector
from tanq_monai.phantom.check.labels import masks_of

_PONS = ((0.0, -10.0, 4.0), 7.0)  # middle of a ball, head frame, and its radius, mm
_BEHIND = ((0.0, -26.0, 4.0), (13.0, 13.0, 13.0))  # middle and half size of a box with the fourth ventricle, mm
_SHELL = (2.0, 4.0)  # from the cochlea's label, mm: petrous bone
_CLEARANCE = 3.0  # from any label, mm: what is nearer is no reference
_FEWEST = 20  # voxels that a region needs

Box = tuple[slice, ...]


@dataclass(frozen=True)
class References:
    """Median intensity of each reference tissue, NaN where it is out of the scan."""

    brain: float
    csf: float
    bone: float


def find_references(
    image: NDArray[Any],
    label: NDArray[np.uint8],
    affine: Vector,
    ears: tuple[Vector, Vector],
    csf_is_bright: bool,
) -> References:
    """Reference intensities of a scan.

    * brain: a ball in the pons. Its median does not mind an artery or a part of the ventricle.
    * CSF: the darker (ceT1) or brighter (hrT2) of two classes (Otsu) in a box round the fourth ventricle; the largest
      piece of it, without its rim.
    * petrous bone: a shell round the cochleae. It holds air cells, marrow and vessels too, as the bone does.

    Args:
        image: (I, J, K).
        label: of the same shape.
        affine: (4, 4), voxel index to RAS, mm.
        ears: places of the right and left cochlea, RAS, mm.
        csf_is_bright: hrT2.
    """
    middle, axes = (ears[0] + ears[1]) / 2, _head_axes(ears)
    (place, radius), (box_place, half) = _PONS, _BEHIND
    box, local = _local(label.shape, affine, middle + np.asarray(place) @ axes, axes, (radius,) * 3)
    ball = (np.sum(local**2, axis=-1) < radius**2) & _free(label, box, affine)
    brain = _median(image[box][ball])
    box, local = _local(label.shape, affine, middle + np.asarray(box_place) @ axes, axes, half)
    inside = np.all(np.abs(local) < half, axis=-1) & _free(label, box, affine)
    csf = _median(image[box][_fluid(image[box], inside, brain, csf_is_bright)])
    return References(brain, csf, _petrous(image, label, affine))


def _head_axes(ears: tuple[Vector, Vector]) -> Vector:
    """Unit vectors to the right, the front and the top of the head as rows of a (3, 3) array."""
    across = ears[0] - ears[1]
    rightward = across / np.linalg.norm(across)
    upward = np.array([0.0, 0.0, 1.0]) - rightward[2] * rightward
    upward /= np.linalg.norm(upward)
    return np.stack([rightward, np.cross(upward, rightward), upward])


def _local(
    shape: tuple[int, ...], affine: Vector, center: Vector, axes: Vector, half: tuple[float, ...]
) -> tuple[Box, Vector]:
    """The voxels round ``center`` and their places (I, J, K, 3) relative to it along ``axes``, mm."""
    reach = float(np.linalg.norm(half))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    index = np.linalg.inv(affine)[:3] @ np.append(center, 1)
    low = np.clip(np.floor(index - reach / spacing), 0, shape).astype(int)
    high = np.clip(np.ceil(index + reach / spacing) + 1, 0, shape).astype(int)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), axis=-1)
    return box, (grid @ affine[:3, :3].T + affine[:3, 3] - center) @ axes.T


def _free(label: NDArray[np.uint8], box: Box, affine: Vector) -> Mask:
    """Voxels of the box that are farther than the clearance from every labelled voxel of the box."""
    return _distance(label[box] == 0, affine) > _CLEARANCE


def _distance(outside: Mask, affine: Vector) -> Vector:
    """From each voxel to the nearest one that is not ``outside``, mm."""
    if outside.all():
        return np.full(outside.shape, np.inf)
    distance: Vector = ndimage.distance_transform_edt(outside, sampling=np.linalg.norm(affine[:3, :3], axis=0))
    return distance


def _fluid(image: NDArray[Any], inside: Mask, brain: float, is_bright: bool) -> Mask:
    """The largest piece of the darker or brighter class inside a region, without its rim where enough is left."""
    if np.isnan(brain) or np.count_nonzero(inside) < _FEWEST:
        return np.zeros_like(inside)
    values = image.astype(np.float64)
    if not is_bright:
        values = np.minimum(values, brain)  # vessels and choroid plexus after gadolinium are no class of their own
    threshold = _otsu(values[inside])
    fluid = inside & ((values > threshold) if is_bright else (values < threshold))
    core = ndimage.binary_erosion(fluid, np.ones((3, 3, 1)))
    pieces, number = ndimage.label(core if np.count_nonzero(core) >= _FEWEST else fluid)
    largest: Mask = pieces == (1 + np.argmax(np.bincount(pieces.ravel())[1:])) if number else np.zeros_like(inside)
    return largest


def _otsu(values: Vector) -> float:
    """The threshold with the largest variance between the two classes that it makes; NaN where all are equal."""
    if np.ptp(values) <= 1e-6 * np.abs(values).max():
        return float("nan")
    counts, edges = np.histogram(values, bins=128)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = len(values) - below
    total = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (total[:-1] / below - (total[-1] - total[:-1]) / above) ** 2
    return float(edges[1 + int(np.nanargmax(between))])


def _petrous(image: NDArray[Any], label: NDArray[np.uint8], affine: Vector) -> float:
    """Median over the shells round all labelled cochleae."""
    cochlea = masks_of(label)[1]
    pieces, _ = ndimage.label(cochlea, np.ones((3, 3, 3)))
    margin = np.ceil(_SHELL[1] / np.linalg.norm(affine[:3, :3], axis=0)).astype(int) + 1
    shell = np.zeros(label.shape, bool)
    for found in ndimage.find_objects(pieces):
        box = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(found, margin, strict=True))
        near = _distance(~cochlea[box], affine)
        shell[box] |= (near > _SHELL[0]) & (near <= _SHELL[1]) & (label[box] == 0)
    return _median(image[shell])


def _median(values: NDArray[Any]) -> float:
    return float(np.median(values)) if values.size >= _FEWEST else float("nan")
