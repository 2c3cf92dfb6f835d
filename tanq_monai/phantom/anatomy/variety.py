"""Patients more varied than any hospital's, to train on: ears, labyrinth fluid, proportions, tissues, shapes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tanq_monai.phantom.anatomy.inner_ear import InnerEar
from tanq_monai.phantom.anatomy.patches import draw_patches
from tanq_monai.phantom.anatomy.patient import Patient
from tanq_monai.phantom.draws import log_uniform
from tanq_monai.phantom.tissues import LABYRINTH_FLUIDS, Kind, Tissue, tissues_of_no_patient

_NO_PATIENT_SHARE, _PATCHED_SHARE = 0.35, 0.5
_RICH_IN_PROTEIN_SHARE, _OBLITERATED_SHARE = 0.5, 0.1
_PROTEIN_T1, _PROTEIN_T2 = (1200.0, 3500.0), (120.0, 800.0)  # ms
_MODIOLUS_DENSITY = (0.2, 0.9)  # what of fluid and nerve a contour holds between the turns
_STRETCH = (0.93, 1.07)
_COCHLEA_SIZE, _TURNS_WIDTH, _CANALS_SIZE = (0.93, 1.07), (0.85, 1.2), (0.85, 1.15)
_YAW, _PITCH = 6.0, 6.0  # degrees, standard deviation


def varied(patient: Patient, rng: np.random.Generator) -> Patient:
    """The same patient with ears, proportions and labyrinth fluid of others; some with tissues or shapes of no patient.

    Cochleae become smaller and larger than the sites' phantoms draw them, as a third of the published ones are. Beside
    a schwannoma the labyrinth's fluid is often rich in protein and less bright, here in both ears, and in scans after
    gadolinium alone: before it, fluid has its native T1 and T2 (left so, as it was when the shipped weights were
    trained). After an operation or inflammation vestibule and canals may be filled with bone.
    """
    right, left = (_varied_ear(rng, ear) for ear in patient.ears)
    x, y, z = (float(value) for value in rng.uniform(*_STRETCH, 3))
    patient = replace(patient, ears=(right, left), deform=replace(patient.deform, stretch=(x, y, z)))
    of_nobody = rng.random() < _NO_PATIENT_SHARE
    tissues = tissues_of_no_patient(rng) if of_nobody else _varied_labyrinth(rng, patient.tissues)
    patches = None
    if rng.random() < _PATCHED_SHARE:
        patches = draw_patches(rng)
        tissues = {**tissues, **patches.tissues}
    return replace(patient, tissues=tissues, patches=patches, takes_up_gadolinium=not of_nobody)


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
