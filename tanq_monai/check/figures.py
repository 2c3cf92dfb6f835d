"""What is measured of one scan and its label, and what about it is worth a look."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.components import Component, Mask, Vector, apart, find_components
from tanq_monai.anatomy.plausibility import Plausible, judge_labels, organ_masks
from tanq_monai.scans.contrast import OWN_RULES, read_rules
from tanq_monai.scans.dicom import read_header
from tanq_monai.scans.folder import Case
from tanq_monai.scans.grid import STORED, Grid
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import CONTRASTS
from tanq_monai.scans.nifti import SAME, cosine_of_axes
from tanq_monai.scans.volume import Volume, read_volume
from tanq_monai.structures import Structures

_SHEARED = 0.1  # degrees: single precision, which headers have, is off by less
_ROUNDING = 0.01  # mm


@dataclass(frozen=True)
class Figures:
    """One scan in numbers; nan for what it has not.

    Attributes:
        shape: voxels (i, j, k), as stored.
        spacing: mm along i, j, k.
        orientation: where i, j, k point, to the nearest.
        oblique_deg: the largest angle of a voxel axis to the nearest axis of the scanner.
        shear_deg: the largest angle by which two voxel axes miss the right angle.
        transforms_mm: how far qform and sform put a corner apart, where both say something.
        low: the lowest voxel.
        high: the highest voxel.
        vs_mm3: volume of the VS, all its parts together; 0 where there is less than a fragment.
        right_cochlea_mm3: the same of the patient's right cochlea.
        left_cochlea_mm3: of the left one.
        vs_pieces: connected pieces that are more than a fragment.
        cochlea_pieces: of both cochleae; what a slice parts is one.
        remarks: what is unusual, in words; a training takes the scan all the same.
        content: digest of the voxels, the same whatever the way in which they are stored.
        patient_id: digest of what a DICOM series calls its patient, else nothing.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    orientation: str
    oblique_deg: float
    shear_deg: float
    transforms_mm: float
    low: float
    high: float
    vs_mm3: float = math.nan
    right_cochlea_mm3: float = math.nan
    left_cochlea_mm3: float = math.nan
    vs_pieces: float = math.nan
    cochlea_pieces: float = math.nan
    remarks: tuple[str, ...] = ()
    content: str = ""
    patient_id: str = ""


def measure(case: Case, structures: Structures) -> Figures:
    """Read a scan and its label as a training does, and measure them; nothing of the voxels is kept.

    Args:
        case: with ``image``, ``contrast``, and perhaps ``label``.
        structures: names and values of the labels, numbered 1, 2, 3, ...

    Raises:
        InputError: when either cannot be used.
    """
    figures, grid = _of_scan(case)
    if "label" not in case:
        return figures
    labels = read_labels(case["label"], structures.numbered(), grid, "its image").labels
    return _with_labels(figures, labels, grid.affine, structures)


def _of_scan(case: Case) -> tuple[Figures, Grid]:
    volume = read_volume(case["image"])
    grid = volume.grid
    figures = Figures(
        shape=grid.shape,
        spacing=grid.spacing,
        orientation=grid.orientation,
        oblique_deg=oblique_deg(grid.affine),
        shear_deg=math.degrees(math.asin(cosine_of_axes(grid.affine))),
        transforms_mm=transforms_mm(grid),
        low=float(volume.voxels.min()),
        high=float(volume.voxels.max()),
        content=content_of(volume),
        patient_id=_patient_id(volume.files[0]) if Path(case["image"]).is_dir() else "",
    )
    return replace(figures, remarks=tuple(_remarks_on_grid(figures, grid, case["contrast"]))), grid


def oblique_deg(affine: Vector) -> float:
    """The largest angle of a voxel axis to the nearest axis of the scanner, degrees.

    Args:
        affine: (4, 4), voxel index to mm.
    """
    cosines = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    return math.degrees(math.acos(min(float(cosines.max(axis=0).min()), 1.0)))


def transforms_mm(grid: Grid) -> float:
    """How far apart qform and sform put the corner that differs most, mm; nan where not both say something."""
    if not (grid.qform.code and grid.sform.code):
        return math.nan
    return replace(grid, affine=grid.qform.matrix).mm_beside(replace(grid, affine=grid.sform.matrix))


def content_of(volume: Volume) -> str:
    """A digest of what a scan shows: of its voxels in single precision, along the axes of :data:`STORED`.

    The number type, the compression, the order of the axes and the header change nothing.
    """
    voxels, _ = volume.grid.turned(volume.voxels, STORED)
    digest = hashlib.sha256(str(voxels.shape).encode())
    for plane in np.moveaxis(voxels, 2, 0):  # a copy of one slice at a time
        digest.update((plane.astype(np.float32) + np.float32(0)).tobytes())  # which makes 0 of -0
    return digest.hexdigest()


def _patient_id(path: Path) -> str:
    """What a slice calls its patient, as a digest: who it is stands in no table."""
    name = str(read_header(path).get("PatientID") or "").strip()
    return hashlib.sha256(name.encode()).hexdigest() if name else ""


def _remarks_on_grid(figures: Figures, grid: Grid, contrast: str) -> Iterator[str]:
    if not (grid.qform.code or grid.sform.code):
        yield "neither qform nor sform: which side is left is a guess"
    if figures.transforms_mm > SAME * min(figures.spacing):
        yield f"qform and sform lie up to {figures.transforms_mm:.1f} mm apart: programs differ in which they go by"
    if figures.shear_deg > _SHEARED:
        yield f"sheared by {figures.shear_deg:.1f} degrees"
    if contrast in CONTRASTS:
        thickest = read_rules(OWN_RULES, contrast)["always"]["SliceThickness"]["at_most"]
        if max(figures.spacing) > thickest + _ROUNDING:
            yield f"voxels of up to {max(figures.spacing):.1f} mm, {contrast} has at most {thickest:g} mm"


def _with_labels(figures: Figures, labels: NDArray[np.uint8], affine: Vector, structures: Structures) -> Figures:
    judgements = judge_labels(labels, affine, structures)
    mm3 = {one.organ: one.mm3 for one in judgements}
    plausible = Plausible()
    vs_mask, cochlea_mask = organ_masks(labels, structures)
    vs, cochleae = (
        [one for one in _pieces(mask, affine, join_mm) if one.volume >= plausible.fragment_mm3]
        for mask, join_mm in ((vs_mask, 0.0), (cochlea_mask, plausible.join_mm))
    )
    doubts = [one.doubt for one in judgements if one.doubt]
    return replace(
        figures,
        vs_mm3=mm3.get("VS", math.nan),
        right_cochlea_mm3=mm3.get("right cochlea", math.nan),
        left_cochlea_mm3=mm3.get("left cochlea", math.nan),
        vs_pieces=len(vs) if "VS" in mm3 else math.nan,
        cochlea_pieces=len(cochleae) if "right cochlea" in mm3 else math.nan,
        remarks=(*figures.remarks, *doubts, *_remarks_on_pieces(vs, cochleae, plausible)),
    )


def _pieces(mask: Mask, affine: Vector, join_mm: float) -> list[Component]:
    return find_components(mask, np.broadcast_to(np.float32(1), mask.shape), affine, join_mm)[1]


def _remarks_on_pieces(vs: list[Component], cochleae: list[Component], plausible: Plausible) -> Iterator[str]:
    """By the rules that choose among the pieces of a prediction: what they would not choose is no usual label."""
    if len(vs) > 1:
        yield f"VS in {len(vs)} pieces"
    ears = plausible.cochleae(cochleae)
    if len(cochleae) > 2:
        yield f"cochleae in {len(cochleae)} pieces"
    elif len(ears) < len(cochleae):
        low, high = plausible.cochleae_apart_mm
        distance = apart(*(one.center for one in cochleae))
        yield f"cochleae {distance:.0f} mm apart (usual {low:g} to {high:g}), or not level"
    if vs and not plausible.vs(vs, ears):
        nearest = min(apart(one.center, ear.center) for one in vs for ear in ears)
        low, high = plausible.vs_to_cochlea_mm
        yield f"VS {nearest:.0f} mm from the nearest cochlea (usual {low:g} to {high:g})"
