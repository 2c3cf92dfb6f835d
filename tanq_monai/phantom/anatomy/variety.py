"""Patients more varied than any hospital's, to train on: ears, labyrinth fluid, CSF, proportions, tissues, shapes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tanq_monai.phantom.anatomy.findings import Mass, draw_dural_mass
from tanq_monai.phantom.anatomy.inner_ear import InnerEar
from tanq_monai.phantom.anatomy.patches import draw_patches
from tanq_monai.phantom.anatomy.patient import Patient
from tanq_monai.phantom.draws import log_uniform
from tanq_monai.phantom.painting.shapes import Layer, draw_waves, ellipsoid, waves_between
from tanq_monai.phantom.tissues import (
    LABYRINTH_FLUIDS,
    TAKE_UP_GADOLINIUM,
    Kind,
    Tissue,
    tissues_of_no_patient,
)

_NO_PATIENT_SHARE, _PATCHED_SHARE = 0.35, 0.5
_RICH_IN_PROTEIN_SHARE, _OBLITERATED_SHARE = 0.5, 0.1
_PROTEIN_T1, _PROTEIN_T2 = (1200.0, 3500.0), (120.0, 800.0)  # ms
_MODIOLUS_DENSITY = (0.2, 0.9)  # what of fluid and nerve a contour holds between the turns
_STRETCH = (0.93, 1.07)
_COCHLEA_SIZE, _TURNS_WIDTH, _CANALS_SIZE = (0.93, 1.07), (0.85, 1.2), (0.85, 1.15)
_YAW, _PITCH = 6.0, 6.0  # degrees, standard deviation
_DURAL_SHARE = 0.1  # of the ears without a schwannoma, one patient's first one
_MOVING_SHARE, _MOVING_SIGNAL = 0.4, (0.05, 0.8)  # of CSF at rest
_MOVING_PLACE, _MOVING_WAVELENGTH = ((0.0, -4.0, 6.0), (24.0, 26.0, 45.0)), (6.0, 25.0)  # round the brainstem, mm


def varied(patient: Patient, rng: np.random.Generator) -> Patient:
    """The same patient with ears, proportions and labyrinth fluid of others; some with tissues or shapes of no patient.

    Cochleae become smaller and larger than the sites' phantoms draw them, as a third of the published ones are. Beside
    a schwannoma the labyrinth's fluid is often rich in protein and less bright, here in both ears. After an operation
    or inflammation vestibule and canals may be filled with bone. A meningioma may lie beside the canal of an ear
    without schwannoma, and CSF that moves round the brainstem, as it does with every heartbeat, loses signal.
    """
    right, left = (_varied_ear(rng, ear) for ear in patient.ears)
    x, y, z = (float(value) for value in rng.uniform(*_STRETCH, 3))
    patient = replace(patient, ears=(right, left), deform=replace(patient.deform, stretch=(x, y, z)))
    of_nobody = rng.random() < _NO_PATIENT_SHARE
    tissues = tissues_of_no_patient(rng) if of_nobody else _varied_labyrinth(rng, patient.tissues)
    protein = tissues[Kind.COCHLEA] != patient.tissues[Kind.COCHLEA]
    take_up = frozenset() if of_nobody else TAKE_UP_GADOLINIUM - frozenset(LABYRINTH_FLUIDS if protein else ())
    patient = _with_dural_mass(rng, patient)
    overlays: tuple[Layer, ...] = ()
    if rng.random() < _MOVING_SHARE:
        overlays = (_draw_moving(rng),)
        csf = tissues[Kind.CSF]
        tissues = {
            **tissues,
            Kind.MOVING_CSF: replace(csf, density=csf.density * log_uniform(rng, _MOVING_SIGNAL)),
        }
    if rng.random() < _PATCHED_SHARE:
        patches = draw_patches(rng)
        overlays, tissues = (*overlays, *patches.layers), {**tissues, **patches.tissues}
    return replace(patient, tissues=tissues, overlays=overlays, take_up_gadolinium=take_up)


def _with_dural_mass(rng: np.random.Generator, patient: Patient) -> Patient:
    """In some patients a mass beside the canal of the ear, or of one of the ears, that has no schwannoma."""
    if patient.findings is None or rng.random() >= _DURAL_SHARE:
        return patient
    affected = 0.0 if patient.tumor is None else np.sign(patient.tumor.shape.porus[0])
    ear = next(ear for ear in patient.ears if ear.side != affected)
    masses: tuple[Mass, ...] = (*patient.findings.masses, draw_dural_mass(rng, ear.porus))
    return replace(patient, findings=replace(patient.findings, masses=masses))


def _draw_moving(rng: np.random.Generator) -> Layer:
    """Parts of the cisterns round the brainstem and of the fourth ventricle."""
    place = ellipsoid(*_MOVING_PLACE, waves=draw_waves(rng, wavelength=30.0), height=3.0)
    waves = draw_waves(rng, log_uniform(rng, _MOVING_WAVELENGTH))
    streams = waves_between(waves, float(rng.uniform(-0.3, 1.0)), np.inf)
    return Layer(Kind.MOVING_CSF, (place, streams), over=(Kind.CSF,))


def _varied_ear(rng: np.random.Generator, ear: InnerEar) -> InnerEar:
    return replace(
        ear,
        cochlea_size=ear.cochlea_size * float(rng.uniform(*_COCHLEA_SIZE)),
        fluid=ear.fluid * float(rng.uniform(*_TURNS_WIDTH)),
        scale=ear.scale * float(rng.uniform(*_CANALS_SIZE)),
        yaw=ear.yaw + float(rng.normal(0, _YAW)),
        pitch=ear.pitch + float(rng.normal(0, _PITCH)),
    )


def _varied_labyrinth(rng: np.random.Generator, tissues: Mapping[Kind, Tissue]) -> dict[Kind, Tissue]:
    changed = dict(tissues)
    if rng.random() < _RICH_IN_PROTEIN_SHARE:
        fluid = replace(tissues[Kind.COCHLEA], t1=log_uniform(rng, _PROTEIN_T1), t2=log_uniform(rng, _PROTEIN_T2))
        changed |= dict.fromkeys(LABYRINTH_FLUIDS, fluid)
    if rng.random() < _OBLITERATED_SHARE:
        changed[Kind.PERILYMPH] = tissues[Kind.BONE]
    changed[Kind.MODIOLUS] = replace(tissues[Kind.MODIOLUS], density=float(rng.uniform(*_MODIOLUS_DENSITY)))
    return changed
