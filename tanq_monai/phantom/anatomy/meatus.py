"""Which part of a schwannoma lies in the internal auditory canal."""

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.anatomy.head import Head
from tanq_monai.phantom.anatomy.petrous import petrous_layers
from tanq_monai.phantom.anatomy.schwannoma import BONES, Shape
from tanq_monai.phantom.painting.paint import tissue_at
from tanq_monai.phantom.painting.scene import make_scene
from tanq_monai.phantom.painting.shapes import Array, Layer
from tanq_monai.phantom.tissues import Kind

_WALL = 0.5  # mm round the canal: the middle of a voxel that is half full of tumor may lie in the wall


def is_intrameatal(points: Array, head: Head, shape: Shape) -> NDArray[np.bool_]:
    """Which points (N, 3) of a tumor, mm, of the undeformed anatomy, lie in the canal as it has widened it.

    The canal ends at the porus, where the petrous bone ends: its surface is thought to go on across the opening, from
    lip to lip, aslant to the canal.
    """
    canal = Layer(Kind.VS, (shape.widened(_WALL),), over=BONES)
    inside: NDArray[np.bool_] = tissue_at(make_scene([*petrous_layers(head), canal]), points) == Kind.VS
    return inside
