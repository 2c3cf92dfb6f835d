"""Label maps as the translator sees them: two regions, whatever classes the scans are labelled with. NumPy alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.structures import REGIONS, region_values


def to_regions(labels: NDArray[Any], structures: Mapping[str, int] = REGIONS) -> NDArray[np.float32]:
    """Labels of any shape with the values of ``structures`` -> the same with those of the regions, other values 0."""
    rounded, regions = np.rint(labels), np.zeros(labels.shape, dtype=np.float32)
    for value, region in region_values(structures).items():
        regions[rounded == value] = region
    return regions
