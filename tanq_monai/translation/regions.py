"""Label maps as the translator sees them: regions, whatever classes the scans are labelled with. NumPy alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.structures import REGIONS


def to_regions(labels: NDArray[Any], region_of: Mapping[int, int] = REGIONS.of_values) -> NDArray[np.float32]:
    """Labels of any shape -> the regions that they are of, 0 for other values.

    Args:
        labels: any number type.
        region_of: the region of every label value, see :attr:`tanq_monai.structures.Regions.of_values`.
    """
    rounded, regions = np.rint(labels), np.zeros(labels.shape, dtype=np.float32)
    for value, region in region_of.items():
        regions[rounded == value] = region
    return regions
