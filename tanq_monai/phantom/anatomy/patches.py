"""Shapes of no patient: patches of unknown tissue all over the head; ears and tumor alone look as they do."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.draws import log_uniform
from tanq_monai.phantom.painting.shapes import Layer, draw_waves, waves_between
from tanq_monai.phantom.tissues import PATCH_KINDS, Kind, Tissue

_WAVELENGTH = (4.0, 40.0)  # mm
_LOWEST, _WIDTH = (0.2, 1.3), (0.3, 1.5)  # where a smooth field of unit variance is, there is a patch
_T1, _T2, _DENSITY = (300.0, 4200.0), (20.0, 2000.0), (0.05, 1.0)
_COVERS = {
    **dict.fromkeys((Kind.BONE, Kind.MARROW, Kind.MUCOSA, Kind.FAT, Kind.MUSCLE, Kind.SKIN), 0.5),
    **dict.fromkeys((Kind.WHITE_MATTER, Kind.GRAY_MATTER, Kind.BLOOD, Kind.ENHANCING, Kind.VITREOUS), 0.3),
    Kind.AIR: 0.25,
    Kind.CSF: 0.15,
}
"""How often a patch covers a tissue. The labyrinth, its nerves and the schwannoma are never covered."""


@dataclass(frozen=True)
class Patches:
    """The patches of one head.

    Args:
        layers: painted over everything else.
        tissues: of the patches.
    """

    layers: tuple[Layer, ...]
    tissues: dict[Kind, Tissue]


def draw_patches(rng: np.random.Generator) -> Patches:
    """Patches of three tissues, from crumbs to lumps as large as a brain's lobe.

    References:
        Hoffmann et al., "SynthMorph", IEEE Trans. Med. Imaging 41, 2022: networks that learn from smooth random shapes
        work on anatomy that nobody drew. There the labels are such shapes; here all that is not labelled may be.
    """
    layers = []
    for kind in PATCH_KINDS:
        waves = draw_waves(rng, log_uniform(rng, _WAVELENGTH), number=5)
        low = float(rng.uniform(*_LOWEST))
        covered = tuple(tissue for tissue, share in _COVERS.items() if rng.random() < share)
        if covered:
            layers.append(Layer(kind, (waves_between(waves, low, low + float(rng.uniform(*_WIDTH))),), over=covered))
    tissues = {}
    for kind in PATCH_KINDS:
        t1, t2 = log_uniform(rng, _T1), log_uniform(rng, _T2)
        tissues[kind] = Tissue(t1, min(t1, t2), float(rng.uniform(*_DENSITY)))
    return Patches(tuple(layers), tissues)
