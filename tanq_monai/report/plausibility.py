"""How far the volumes of a segmentation lie from those of patients, for want of a true label to compare with."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tanq_monai.phantom.check import published
from tanq_monai.report.axial import Volume, sides


class Judgement(NamedTuple):
    """One organ's volume beside that of patients.

    Args:
        organ: VS, all its parts together; or the cochlea of one side.
        mm3: its volume.
        usual: percentiles 5 and 95 of the patients, mm3.
        deviation: 0 at their median, 1 at the percentiles 5 and 95, linear in the logarithm; inf where it is missing.
    """

    organ: str
    mm3: float
    usual: tuple[float, float]
    deviation: float

    @property
    def doubt(self) -> str:
        """What is implausible, or nothing."""
        if self.deviation <= 1:
            return ""
        size = f"of {self.mm3:,.0f} mm³" if self.mm3 else "missing"
        return f"{self.organ} {size} (usual {self.usual[0]:,.0f} to {self.usual[1]:,.0f} mm³)"


def judge(labels: Volume, structures: Mapping[str, int]) -> list[Judgement]:
    """VS and each cochlea beside the published volumes; structures of other names are not judged.

    Args:
        labels: the prediction.
        structures: names and label values; those whose name begins with VS are parts of one VS.
    """
    voxel_mm3 = float(np.prod(labels.spacing))
    found = []
    parts = [value for name, value in structures.items() if name.startswith("VS")]
    if parts:
        found.append(_judgement("VS", np.count_nonzero(np.isin(labels.values, parts)) * voxel_mm3))
    if "cochlea" in structures:
        ears = sides(labels, "cochlea", structures["cochlea"])
        volumes = {name: len(voxels) * voxel_mm3 for name, voxels in ears.items()}
        if len(volumes) < 2:
            volumes["second cochlea" if volumes else "cochlea"] = 0.0
        found += [_judgement(name, mm3) for name, mm3 in volumes.items()]
    return found


def _judgement(organ: str, mm3: float) -> Judgement:
    low, _, median, _, high = published().geometry[f"{'VS' if organ == 'VS' else 'cochlea'} volume"]
    bound = high if mm3 > median else low
    deviation = math.log(mm3 / median) / math.log(bound / median) if mm3 else math.inf
    return Judgement(organ, mm3, (low, high), deviation)
