"""The Koos grade of a VS, estimated from its label and the hrT2 scan. Research only.

It says whether the VS reaches the brain. Nothing here sees whether the brainstem is displaced, so that III and IV are
one class; where the canal ends is not known well enough to tell I from II. Volumes are (I, J, K), positions in RAS, mm.

References:
    Koos et al., "Neurotopographic considerations in the microsurgical treatment of small acoustic neurinomas",
    J. Neurosurg. 88, 1998, 506-512: I inside the canal, II in the cerebellopontine angle, III reaching the brain, IV
    displacing it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.components import Mask, Vector
from tanq_monai.anatomy.findings import Findings, largest_piece
from tanq_monai.anatomy.measured import find_anatomy, structure_masks
from tanq_monai.anatomy.porus import find_porus
from tanq_monai.anatomy.published import published
from tanq_monai.structures import STRUCTURES, Structures

GRADES = ("I or II", "III or IV")
KOOS, NOT_GRADED = "koos_estimated", "koos_not_graded"
"""The grade, or why there is none, in what was found of a VS."""
# Chosen on 27 virtual patients, `phantom --protocols left_out --size varied --seed 11`, by their true labels.
_NEAR = 2.0  # mm from the VS to what it reaches
_REACHED = 30.0  # mm2 of its surface that something is so near to
_ABOUT = 15.0  # mm round the VS: there is its brightest fluid
_BRIGHTEST = 99.0  # percentile
_ROUNDING = 1e-6  # voxels, of affines that lie aslant


class Koos(NamedTuple):
    """An estimate.

    Args:
        grade: one of :data:`GRADES`; None where none is estimated.
        not_graded: why not.
    """

    grade: str | None = None
    not_graded: str | None = None

    def __str__(self) -> str:
        if self.not_graded:
            return f"no Koos grade is estimated: {self.not_graded}"
        return f"Koos {self.grade}, estimated" if self.grade else ""

    def added_to(self, findings: Findings) -> Findings:
        """What :func:`tanq_monai.anatomy.findings.find` found, whose VS has the grade, or why it has none, too."""
        told = {KOOS: self.grade, NOT_GRADED: self.not_graded}
        told = {name: words for name, words in told.items() if words}
        return findings | {"VS": findings["VS"] | told} if told else findings

    @classmethod
    def of(cls, findings: Mapping[str, Any]) -> "Koos":
        """What was added to findings."""
        return cls(findings["VS"].get(KOOS), findings["VS"].get(NOT_GRADED))


def estimate_koos(
    labels: NDArray[np.uint8], scan: NDArray[np.floating], affine: Vector, structures: Structures = STRUCTURES
) -> Koos:
    """The grade of the largest piece of the VS; none, without a reason, where there is no VS or no cochlea beside it.

    III or IV where tissue lies near enough behind enough of the medial surface outside the canal; tissue is what is
    nearer to the VS than to the fluid about it in brightness.

    Args:
        labels: (I, J, K), 0 is background.
        scan: hrT2, of the same shape.
        affine: (4, 4), voxel index to RAS, mm.
        structures: names and label values.
    """
    roles = structures.roles()
    if roles is None:
        return Koos()
    vs_mask, cochlea_mask = structure_masks(labels, roles)
    vs, _ = largest_piece(vs_mask, affine)
    anatomy = find_anatomy(vs, cochlea_mask, affine)
    porus = find_porus(anatomy)
    if porus is None or anatomy.vs is None or anatomy.vs.volume < published().fragment_mm3:
        return Koos()
    if any(np.take(vs, (0, -1), axis).any() for axis in range(3)):
        return Koos(None, "the VS is cut off by the edge of the scan")
    index = np.argwhere(vs)
    beyond = porus.beyond(index, affine)
    fluid = np.percentile(scan[_box(index, affine, vs.shape)].astype(np.float64), _BRIGHTEST)
    grey = np.median(scan[vs].astype(np.float64))
    if fluid <= grey:
        return Koos(None, "no fluid about the VS is brighter")
    if _reached(index[beyond > 0], vs, scan < (fluid + grey) / 2, affine, porus.medial) >= _REACHED:
        return Koos("III or IV")
    return Koos("I or II")


def _reached(index: NDArray[np.intp], vs: Mask, tissue: Mask, affine: Vector, medial: Vector) -> float:
    """How much of the medial surface has tissue near behind it, mm2.

    Args:
        index: voxels (N, 3) of the VS outside the canal.
        vs: (I, J, K).
        tissue: all that is no fluid.
        affine: (4, 4).
        medial: unit vector (3,).
    """
    way = np.linalg.inv(affine[:3, :3]) @ medial  # voxels per mm
    step = 1 / np.abs(way).max()
    ends = index[~_at(vs, index + 1.01 * step * way)]
    near = np.count_nonzero(_at(tissue, ends + _NEAR * way))
    return float(near * abs(np.linalg.det(affine[:3, :3])) / step)


def _at(mask: Mask, places: Vector) -> Mask:
    """What a mask (I, J, K) is in the voxels at places (N, 3), which may lie between; beyond its edges nothing."""
    nearest = np.rint(places).astype(int)
    inside: Mask = np.all((nearest >= 0) & (nearest < mask.shape), axis=1)
    found: Mask = inside & mask[tuple(np.where(inside[:, None], nearest, 0).T)]
    return found


def _box(index: NDArray[np.intp], affine: Vector, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The voxels of the VS and its surroundings."""
    margin = np.ceil(_ABOUT / np.linalg.norm(affine[:3, :3], axis=0) - _ROUNDING).astype(int)
    low, high = np.maximum(index.min(axis=0) - margin, 0), np.minimum(index.max(axis=0) + margin + 1, shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
