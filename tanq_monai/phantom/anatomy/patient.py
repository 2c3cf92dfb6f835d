"""A random patient: geometry and tissues, the same in every contrast."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tanq_monai.phantom.anatomy.brain import cerebrum_layers, hindbrain_layers
from tanq_monai.phantom.anatomy.cavity import Cavity, cavity_layers, draw_cavity
from tanq_monai.phantom.anatomy.deformation import Deformation, draw_deformation
from tanq_monai.phantom.anatomy.face import face_layers
from tanq_monai.phantom.anatomy.findings import Findings, draw_findings
from tanq_monai.phantom.anatomy.growth import draw_schwannoma
from tanq_monai.phantom.anatomy.head import Head, draw_head, head_layers, skull_base_layers
from tanq_monai.phantom.anatomy.inner_ear import (
    InnerEar,
    cochlea_label_layers,
    draw_inner_ear,
    inner_ear_layers,
)
from tanq_monai.phantom.anatomy.lattice import make_lattice, paint_lattice
from tanq_monai.phantom.anatomy.petrous import petrous_layers
from tanq_monai.phantom.anatomy.population import APART, cochlea_passes, draw_cochlea_volume
from tanq_monai.phantom.anatomy.schwannoma import Schwannoma, schwannoma_layers
from tanq_monai.phantom.anatomy.vessels import vessel_layers
from tanq_monai.phantom.painting.shapes import Layer, Point
from tanq_monai.phantom.tissues import TAKE_UP_GADOLINIUM, Kind, Tissue, individual_tissues

_WITHOUT_VS = 0.04
_RIGHT_SIDED = 0.57
_VS_TAKEN_AWAY = 0.1
_HEIGHT = (0.8, 3.0)  # of the deformation, mm
_COCHLEA_TRIES = 100
_COCHLEA_STEP = 0.25  # mm


@dataclass(frozen=True)
class Patient:
    """One virtual patient. The origin lies between the cochleae; x right, y anterior, z up, mm.

    Args:
        head: the large structures.
        ears: right and left.
        tumor: None in a patient without schwannoma.
        cavity: what an operation left in such a patient, else None.
        tissues: relaxation after gadolinium.
        deform: scanner position to position in the undeformed anatomy.
        findings: what else the head holds, not in patients of the sites.
        overlays: painted over all else, in some to train on: CSF that moves, shapes of no patient.
        take_up_gadolinium: the tissues that change with it; those of no patient do not.
    """

    head: Head
    ears: tuple[InnerEar, InnerEar]
    tumor: Schwannoma | None
    cavity: Cavity | None
    tissues: Mapping[Kind, Tissue]
    deform: Deformation
    findings: Findings | None = None
    overlays: tuple[Layer, ...] = ()
    take_up_gadolinium: frozenset[Kind] = TAKE_UP_GADOLINIUM

    def layers(self) -> list[Layer]:
        """All of the anatomy, in painting order."""
        layers = [
            *head_layers(self.head),
            *cerebrum_layers(self.head),
            *skull_base_layers(self.head),
            *hindbrain_layers(self.head),
            *face_layers(self.head),
            *petrous_layers(self.head),
            *vessel_layers(self.head),
        ]
        if self.findings:
            layers += self.findings.layers()
        for ear in self.ears:
            layers += inner_ear_layers(ear)
        if self.cavity:
            layers += cavity_layers(self.cavity)
        if self.tumor:
            layers += schwannoma_layers(self.tumor)
        return [*layers, *self.overlays]


def draw_patient(seed: int | np.random.SeedSequence) -> Patient:
    """The patient that belongs to a seed."""
    rng = np.random.default_rng(seed)
    head = draw_head(rng)
    right, left = _draw_ears(rng)
    affected = right if rng.random() < _RIGHT_SIDED else left
    deform = draw_deformation(rng, (right.cochlea, left.cochlea))
    tumor, cavity = None, None
    if rng.random() < _WITHOUT_VS:
        cavity = draw_cavity(rng, affected)
    else:
        bones = [*petrous_layers(head), *inner_ear_layers(affected)]
        tumor = draw_schwannoma(rng, affected, head.ridge, bones, hindbrain_layers(head), deform)
    return Patient(head, (right, left), tumor, cavity, individual_tissues(rng), deform)


def with_findings(patient: Patient, rng: np.random.Generator) -> Patient:
    """The same patient with masses and fluid, see :class:`Findings`, in a head that is bent more than the sites'.

    One in ten has no schwannoma any more.
    """
    findings = draw_findings(
        rng, patient.head, tuple(point for ear in patient.ears for point in (ear.cochlea, ear.porus))
    )
    tissues = {**patient.tissues, **findings.tissues}
    tumor = None if rng.random() < _VS_TAKEN_AWAY else patient.tumor
    deform = replace(patient.deform, height=float(rng.uniform(*_HEIGHT)))
    return replace(patient, findings=findings, tissues=tissues, tumor=tumor, deform=deform)


def _draw_ears(rng: np.random.Generator) -> tuple[InnerEar, InnerEar]:
    """Right and left ear; one volume for both, up to some percent."""
    mean, deviation, nearest, farthest = APART
    apart = float(np.clip(rng.normal(mean, deviation), nearest, farthest))
    volume = draw_cochlea_volume(rng)
    right, left = (_draw_ear(rng, side, apart, volume * rng.normal(1, 0.03)) for side in (1, -1))
    return right, left


def _draw_ear(rng: np.random.Generator, side: int, apart: float, volume: float) -> InnerEar:
    """An ear whose cochlea's label has about the volume (mm^3) and passes the check.

    It is drawn again until it does, every ten times with a volume nearer to the middle.
    Small labels have thin turns rather than a small cochlea: the bony one varies little between people.
    """
    y, z = (float(value) for value in rng.normal(0, 0.6, 2))
    center: Point = (side * apart / 2, y, z)
    for attempt in range(_COCHLEA_TRIES):
        if attempt and attempt % 10 == 0:
            volume = (volume + 58) / 2
        size = 1.01 * (volume / 50) ** 0.1 * rng.normal(1, 0.015)
        fluid = 0.297 + 0.00968 * volume / size**3  # from the label's volume measured on a fine lattice
        ear = draw_inner_ear(rng, side, center, float(size), float(fluid))
        half = np.array([4.4, 4.0, 4.4])
        lattice = make_lattice(center - half, center + half, _COCHLEA_STEP)
        label = lattice[paint_lattice(cochlea_label_layers(ear), lattice, block=9) > 0]
        if cochlea_passes(label, _COCHLEA_STEP**3, rng):
            return ear
    raise RuntimeError(f"none of {_COCHLEA_TRIES} cochleae has the size of published ones")
