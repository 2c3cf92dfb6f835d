"""Where the internal auditory canal ends, estimated from the cochleae: a plane square to the line between the ears.

Positions are in RAS, mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.components import Vector
from tanq_monai.anatomy.measured import Anatomy
from tanq_monai.anatomy.published import published


@dataclass(frozen=True)
class Porus:
    """The plane in which the canal of one ear ends.

    Args:
        place: a point of it (3,).
        medial: unit vector (3,) square to it, towards the other ear.
    """

    place: Vector
    medial: Vector

    def beyond(self, index: NDArray[np.intp], affine: Vector) -> Vector:
        """How far medial of it voxels lie, (N,), mm; of those in the canal it is negative.

        Args:
            index: (N, 3).
            affine: (4, 4), voxel index to RAS, mm.
        """
        beyond: Vector = (index @ affine[:3, :3].T + affine[:3, 3] - self.place) @ self.medial
        return beyond


def find_porus(anatomy: Anatomy) -> Porus | None:
    """The porus of the ear with the VS; None without VS, or without a cochlea on its side.

    It lies medial of that cochlea's centre by half of a median cochlea and the mean length of a canal, both published.
    That the canal begins at the medial edge of the cochlea and runs straight medially is ours.
    """
    own = anatomy.right if anatomy.side == "right" else anatomy.left
    if anatomy.vs is None or own is None or anatomy.ears is None:
        return None
    right, left = anatomy.ears
    way = left - right if anatomy.side == "right" else right - left
    medial = way / np.linalg.norm(way)
    depth = published().geometry["cochlea left-right"][2] / 2 + published().canal_mm
    return Porus(own.center + depth * medial, medial)
