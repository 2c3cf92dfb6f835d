"""Label maps of crossMoDA of any year, which do not say what their values mean."""

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.measured import Mask, structure_masks
from tanq_monai.structures import Roles

VALUES = (1, 2, 3)


def masks_of(label: NDArray[np.uint8]) -> tuple[Mask, Mask]:
    """VS and cochleae: 1 and 2, or, where there is a 3, as in crossMoDA 2023, 1 or 2 and 3."""
    return structure_masks(label, Roles((1, 2), 3, 4) if np.any(label == 3) else Roles((1,), 2, 3))
