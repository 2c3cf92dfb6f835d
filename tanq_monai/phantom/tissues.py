"""What the phantom is made of: relaxation times, before and after gadolinium, at 1.5 T and other fields."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from tanq_monai.phantom.draws import log_uniform


class Kind(IntEnum):
    """Tissue classes that the anatomy paints."""

    AIR = 0
    BONE = 1
    SKIN = 2
    FAT = 3
    MUSCLE = 4
    MARROW = 5
    CSF = 6
    WHITE_MATTER = 7
    GRAY_MATTER = 8
    BLOOD = 9
    MUCOSA = 10
    NERVE = 11
    ENHANCING = 12  # choroid plexus, pituitary, dura: no barrier to gadolinium
    VITREOUS = 13
    PERILYMPH = 14  # vestibule and semicircular canals: fluid without a label
    COCHLEA = 15  # perilymph inside the cochlear turns
    MODIOLUS = 16  # nerve and thin bone between the turns, inside the cochlea's label
    VS = 17
    VS_PALE = 18  # looser (Antoni B) tissue: less uptake, more water
    VS_CYST = 19
    MASS = 20  # of another kind than a VS: meningioma, glioma, node
    MASS_FLUID = 21  # epidermoid, arachnoid cyst, fluid in air cells
    PATCH_1 = 22  # tissues of no patient in shapes of no patient
    PATCH_2 = 23
    PATCH_3 = 24
    MOVING_CSF = 25  # where it moves between excitation and echo: less signal in some scans


VS_KINDS = (Kind.VS, Kind.VS_PALE, Kind.VS_CYST)
COCHLEA_KINDS = (Kind.COCHLEA, Kind.MODIOLUS)
LABYRINTH_FLUIDS = (Kind.PERILYMPH, Kind.COCHLEA)
PATCH_KINDS = (Kind.PATCH_1, Kind.PATCH_2, Kind.PATCH_3)


@dataclass(frozen=True)
class Tissue:
    """Relaxation of one tissue at 1.5 T.

    Args:
        t1: longitudinal relaxation time, ms.
        t2: transverse relaxation time, ms.
        density: proton density relative to water.
        flows: blood, which leaves the slice between excitation and echo of a T2-weighted sequence: no signal.
    """

    t1: float
    t2: float
    density: float
    flows: bool = False


NATIVE: Mapping[Kind, Tissue] = {
    Kind.AIR: Tissue(1000, 1, 0.0),
    Kind.BONE: Tissue(1000, 1, 0.05),
    Kind.SKIN: Tissue(700, 40, 0.70),
    Kind.FAT: Tissue(343, 58, 0.90),
    Kind.MUSCLE: Tissue(1008, 44, 0.75),
    Kind.MARROW: Tissue(549, 49, 0.60),
    Kind.CSF: Tissue(4200, 2000, 1.0),
    Kind.WHITE_MATTER: Tissue(884, 72, 0.70),
    Kind.GRAY_MATTER: Tissue(1124, 95, 0.80),
    Kind.BLOOD: Tissue(1550, 200, 0.90, flows=True),
    Kind.MUCOSA: Tissue(1300, 130, 0.85),
    Kind.NERVE: Tissue(950, 80, 0.72),
    Kind.ENHANCING: Tissue(1300, 110, 0.80),
    Kind.VITREOUS: Tissue(4000, 1200, 0.98),
    Kind.PERILYMPH: Tissue(3500, 800, 0.98),
    Kind.COCHLEA: Tissue(3500, 800, 0.98),
    Kind.MODIOLUS: Tissue(950, 70, 0.45),
    Kind.VS: Tissue(1400, 120, 0.85),
    Kind.VS_PALE: Tissue(1600, 140, 0.87),
    Kind.VS_CYST: Tissue(2800, 800, 0.97),
    Kind.MASS: Tissue(1300, 95, 0.83),
    Kind.MASS_FLUID: Tissue(3000, 600, 0.97),
    **dict.fromkeys(PATCH_KINDS, Tissue(1000, 80, 0.8)),
    Kind.MOVING_CSF: Tissue(4200, 2000, 1.0),
}
"""Without contrast. The figures for perilymph's T2 vary in the literature (700-800 ms)."""

ENHANCED: Mapping[Kind, Tissue] = {
    **NATIVE,
    Kind.BLOOD: Tissue(350, 120, 0.90, flows=True),
    Kind.MUCOSA: Tissue(480, 110, 0.85),
    Kind.ENHANCING: Tissue(420, 95, 0.80),
    Kind.VS: Tissue(400, 100, 0.85),
    Kind.VS_PALE: Tissue(500, 118, 0.86),
    Kind.VS_CYST: Tissue(2000, 700, 0.97),
    Kind.PERILYMPH: Tissue(2900, 800, 0.98),
    Kind.COCHLEA: Tissue(2900, 800, 0.98),
    Kind.MODIOLUS: Tissue(750, 68, 0.45),
    Kind.MUSCLE: Tissue(900, 43, 0.75),
    Kind.MARROW: Tissue(500, 48, 0.60),
    Kind.MASS: Tissue(450, 88, 0.83),
}
"""Some minutes after gadolinium. Behind the blood-brain barrier nothing changes; the labyrinth's lets a little through:
in the real ceT1 scan at hand the cochlea is brighter than CSF by more than their native T1 explain."""


def individual_tissues(rng: np.random.Generator, spread: float = 0.03) -> dict[Kind, Tissue]:
    """One patient's tissues after gadolinium.

    T1, T2 and density vary by ``spread`` (standard deviation, relative); what takes up gadolinium gets
    a T1 of its own: 350-450 ms in the schwannoma, wider in vessels and mucosa.
    """
    uptake = {
        Kind.VS: rng.uniform(350, 450),
        Kind.VS_PALE: rng.uniform(430, 600),
        Kind.BLOOD: rng.uniform(260, 480),
        Kind.MUCOSA: rng.uniform(360, 800),
        Kind.ENHANCING: rng.uniform(350, 600),
    }
    tissues = {}
    for kind in Kind:
        tissue = ENHANCED[kind]
        t1, t2, density = 1 + spread * rng.standard_normal(3) * (1, 1, 0.3)
        tissues[kind] = Tissue(
            t1=uptake.get(kind, tissue.t1 * t1),
            t2=tissue.t2 * t2,
            density=tissue.density * density,
            flows=tissue.flows,
        )
    tissues[Kind.COCHLEA] = tissues[Kind.PERILYMPH]
    return tissues


_FLUIDS = frozenset(
    (Kind.CSF, Kind.MOVING_CSF, Kind.VITREOUS, Kind.PERILYMPH, Kind.COCHLEA, Kind.VS_CYST, Kind.MASS_FLUID)
)
_FATTY = frozenset((Kind.FAT, Kind.MARROW))
_SOLID_T1, _FATTY_T1 = 1.3, 1.1  # at 3 T, of those at 1.5 T; fluids keep theirs
_BRIGHT_BONE_SHARE, _ONE_LABYRINTH_SHARE = 0.3, 0.8
_ANY_T1, _ANY_T2, _ANY_DENSITY = (300.0, 4200.0), (40.0, 2000.0), (0.3, 1.0)


TAKE_UP_GADOLINIUM = frozenset(kind for kind in Kind if NATIVE[kind] != ENHANCED[kind])
"""What the contrast agent changes."""


def without_gadolinium(
    tissues: Mapping[Kind, Tissue], take_it_up: frozenset[Kind] = TAKE_UP_GADOLINIUM
) -> dict[Kind, Tissue]:
    """The same patient before the contrast agent: what takes it up has its native T1 and T2, all else stays."""
    return {
        kind: replace(tissue, t1=NATIVE[kind].t1, t2=NATIVE[kind].t2) if kind in take_it_up else tissue
        for kind, tissue in tissues.items()
    }


def at_field(tissues: Mapping[Kind, Tissue], tesla: float) -> dict[Kind, Tissue]:
    """The same patient in another magnet; at 1.5 T as they are.

    T1 grows as a power of the field, to 1.3 of its value at 3 T in muscle and brain, 1.1 in fat, and not in fluid; T2
    stays, whose measured changes are smaller than those between people.

    References:
        Stanisz et al., "T1, T2 relaxation and magnetization transfer in tissue at 3T", Magn. Reson. Med. 54, 2005:
        white matter 884 to 1084 ms, muscle 1008 to 1412 ms. One factor for all solid tissues is our simplification.
    """

    def factor(kind: Kind) -> float:
        at_3 = 1.0 if kind in _FLUIDS else _FATTY_T1 if kind in _FATTY else _SOLID_T1
        return float(at_3 ** np.log2(tesla / 1.5))

    return {kind: replace(tissue, t1=tissue.t1 * factor(kind)) for kind, tissue in tissues.items()}


def tissues_of_no_patient(rng: np.random.Generator) -> dict[Kind, Tissue]:
    """T1, T2 and density of every tissue drawn anew: any may be brighter than any other.

    Air stays dark, bone in most; the cochlea's fluid is that of the rest of the labyrinth in most, as in patients.

    References:
        Billot et al., "SynthSeg", Med. Image Anal. 86, 2023: a contrast at random for every structure. There, levels
        are drawn; here what a sequence makes levels of.
    """
    tissues = {}
    for kind in Kind:
        t1, t2 = log_uniform(rng, _ANY_T1), log_uniform(rng, _ANY_T2)
        tissues[kind] = Tissue(t1, min(t1, t2), float(rng.uniform(*_ANY_DENSITY)))
    tissues[Kind.AIR] = NATIVE[Kind.AIR]
    bone = tissues[Kind.BONE]
    bright_bone = rng.random() < _BRIGHT_BONE_SHARE
    tissues[Kind.BONE] = replace(bone, density=bone.density / 2) if bright_bone else NATIVE[Kind.BONE]
    if rng.random() < _ONE_LABYRINTH_SHARE:
        tissues[Kind.COCHLEA] = tissues[Kind.PERILYMPH]
    return tissues
