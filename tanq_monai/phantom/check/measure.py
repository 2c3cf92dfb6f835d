"""One scan to numbers, from its voxels, labels and affine alone: the same for virtual and real patients."""

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.measured import Vector, find_anatomy, geometry_figures
from tanq_monai.phantom.check.labels import masks_of
from tanq_monai.phantom.check.published import BONE, COCHLEA, CSF, FLUID, VS
from tanq_monai.phantom.check.regions import find_references

_BRIGHTEST = 95  # percentile of the cochlea's voxels: those that hold next to nothing but fluid


@dataclass(frozen=True)
class Scan:
    """A scan with what is known about it.

    Args:
        name: of the patient, as failures name it.
        site: ldn, etz, ukm, or "" if unknown.
        contrast: ceT1 or hrT2.
        sequence: name of the protocol; site and contrast where that is not known.
        image: (I, J, K).
        label: of the same shape, or None.
        affine: (4, 4), voxel index to RAS, mm.
    """

    name: str
    site: str
    contrast: str
    sequence: str
    image: NDArray[Any]
    label: NDArray[np.uint8] | None
    affine: Vector

    @property
    def group(self) -> str:
        """Site and contrast."""
        return f"{self.site} {self.contrast}".strip()


@dataclass(frozen=True)
class Measurement:
    """What one scan gave.

    Args:
        name: of the patient, the same in all of its scans.
        group: site and contrast.
        contrast: ceT1 or hrT2.
        sequence: see :class:`Scan`.
        side: right or left, where the tumor is; None without one.
        figures: value by name; NaN, or absent without any label, where it cannot be measured.
    """

    name: str
    group: str
    contrast: str
    sequence: str
    side: str | None
    figures: dict[str, float]


def measure(scan: Scan) -> Measurement:
    """Measure a scan: all figures with a label, voxel size and height without."""
    figures, side = _header_figures(scan), None
    if scan.label is not None:
        anatomy = find_anatomy(*masks_of(scan.label), scan.affine)
        side = anatomy.side
        figures |= geometry_figures(anatomy) | _voxel_figures(scan.label)
        if anatomy.ears is not None:
            figures |= _ratios(scan, scan.label, anatomy.ears)
    return Measurement(scan.name, scan.group, scan.contrast, scan.sequence, side, figures)


def _header_figures(scan: Scan) -> dict[str, float]:
    """Voxel size (smaller and larger in plane, between slices) and height of the scan, mm."""
    spacing = np.linalg.norm(scan.affine[:3, :3], axis=0)
    upward = int(np.argmax(nib.orientations.io_orientation(scan.affine)[:, 0] == 2))
    in_plane = sorted(float(s) for axis, s in enumerate(spacing) if axis != upward)
    return {
        "in plane": in_plane[0],
        "in plane, larger": in_plane[1],
        "between slices": float(spacing[upward]),
        "height": float(spacing[upward] * scan.image.shape[upward]),
    }


def _voxel_figures(label: NDArray[np.uint8]) -> dict[str, float]:
    """Share of the voxels, percent; NaN for a structure that is not labelled."""
    shares = (100 * np.count_nonzero(mask) / label.size for mask in masks_of(label))
    return {f"{name} voxels": share or np.nan for name, share in zip(("VS", "cochleae"), shares, strict=True)}


def _ratios(scan: Scan, label: NDArray[np.uint8], ears: tuple[Vector, Vector]) -> dict[str, float]:
    """Medians of the labelled voxels over those of reference tissues (:func:`find_references`)."""
    reference = find_references(scan.image, label, scan.affine, ears, csf_is_bright=scan.contrast == "hrT2")
    vs, cochlea = (scan.image[mask] for mask in masks_of(label))
    middle = float(np.median(cochlea))
    return {
        VS: _over(float(np.median(vs)) if vs.size else np.nan, reference.brain),
        COCHLEA: _over(middle, reference.brain),
        FLUID: _over(float(np.percentile(cochlea, _BRIGHTEST)), reference.brain) if scan.contrast == "hrT2" else np.nan,
        CSF: _over(reference.csf, reference.brain),
        BONE: _over(middle, reference.bone),
    }


def _over(value: float, reference: float) -> float:
    return value / reference if reference > 0 else np.nan
