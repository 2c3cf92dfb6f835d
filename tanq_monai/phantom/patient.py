"""A random patient: geometry and tissues, the same in every contrast."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.brain import cerebrum_layers, hindbrain_layers
from tanq_monai.phantom.head import Head, draw_head, face_layers, head_layers, skull_base_layers
from tanq_monai.phantom.inner_ear import InnerEar, draw_inner_ear, inner_ear_layers
from tanq_monai.phantom.petrous import petrous_layers
from tanq_monai.phantom.schwannoma import Schwannoma, draw_schwannoma, schwannoma_layers
from tanq_monai.phantom.shapes import Array, Layer, Waves, draw_waves
from tanq_monai.phantom.tissues import Kind, Tissue, individual_tissues
from tanq_monai.phantom.vessels import vessel_layers

_WITHOUT_VS = 0.04
_RIGHT_SIDED = 0.57
WARP = 1.1
"""Standard deviation of the smooth deformation that makes no two heads symmetric, mm."""


@dataclass(frozen=True)
class Patient:
    """One virtual patient. The origin lies between the cochleae; x right, y anterior, z up, mm.

    Args:
        head: the large structures.
        ears: right and left.
        tumor: None in a patient without schwannoma.
        tissues: relaxation after gadolinium.
        warp: smooth deformation along x, y and z, unit variance.
    """

    head: Head
    ears: tuple[InnerEar, InnerEar]
    tumor: Schwannoma | None
    tissues: Mapping[Kind, Tissue]
    warp: tuple[Waves, Waves, Waves]

    def layers(self) -> list[Layer]:
        """All of the anatomy, in painting order."""
        layers = [
            *head_layers(self.head),
            *cerebrum_layers(self.head),
            *skull_base_layers(self.head),
            *hindbrain_layers(self.head),
            *face_layers(),
            *petrous_layers(self.head),
            *vessel_layers(self.head),
        ]
        for ear in self.ears:
            layers += inner_ear_layers(ear)
        return layers + (schwannoma_layers(self.tumor) if self.tumor else [])

    def deform(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Scanner position to position in the undeformed anatomy, mm."""
        wx, wy, wz = (WARP * wave(x, y, z) for wave in self.warp)
        return x + wx, y + wy, z + wz


def draw_patient(seed: int | np.random.SeedSequence) -> Patient:
    """The patient that belongs to a seed."""
    rng = np.random.default_rng(seed)
    apart = rng.normal(69.5, 1.0)
    volume = float(np.clip(rng.normal(58, 15), 33, 93))
    ears = []
    for side in (1, -1):
        y, z = rng.normal(0, 0.6, 2)
        own = float(np.clip(volume * rng.normal(1, 0.05), 33, 93))
        ears.append(draw_inner_ear(rng, side, (side * apart / 2, float(y), float(z)), own))
    affected = ears[0] if rng.random() < _RIGHT_SIDED else ears[1]
    tumor = draw_schwannoma(rng, affected) if rng.random() >= _WITHOUT_VS else None
    return Patient(
        head=draw_head(rng),
        ears=(ears[0], ears[1]),
        tumor=tumor,
        tissues=individual_tissues(rng),
        warp=(draw_waves(rng, 75), draw_waves(rng, 75), draw_waves(rng, 75)),
    )
