import math

import numpy as np
import pytest

from tanq_monai.report.axial import Volume
from tanq_monai.report.plausibility import judge
from tanq_monai.structures import STRUCTURES

THREE = {"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}


def _labels(counts, values=(1, 2, 2)):
    """Voxels of 1 mm3: VS, right cochlea and left cochlea of so many."""
    labels = np.zeros((100, 100, 1), dtype=np.uint8)
    for column, count, value in zip((50, 15, 85), counts, values, strict=True):
        flat = np.zeros(1000, dtype=np.uint8)
        flat[:count] = value
        labels[column - 5 : column + 5, :, 0] = flat.reshape(10, 100, order="F")
    return Volume(labels, np.ones(3))


def test_volumes_at_the_percentiles_deviate_by_1_and_at_the_median_by_0():
    volume = Volume(np.ones((10, 10, 10), dtype=np.uint8), np.full(3, (238.9 / 1000) ** (1 / 3)))
    assert judge(volume, {"VS": 1})[0].deviation == pytest.approx(1)
    volume = Volume(volume.values, np.full(3, (1408 / 1000) ** (1 / 3)))
    assert judge(volume, {"VS": 1})[0].deviation == pytest.approx(0)
    volume = Volume(volume.values, np.full(3, (6776**2 / 1408 / 1000) ** (1 / 3)))
    assert judge(volume, {"VS": 1})[0].deviation == pytest.approx(2)


def test_each_cochlea_is_judged_by_itself():
    found = judge(_labels((800, 10, 56)), STRUCTURES)
    assert [(one.organ, one.mm3) for one in found] == [("VS", 800), ("right cochlea", 10), ("left cochlea", 56)]
    assert [one.doubt for one in found] == ["", "right cochlea of 10 mm³ (usual 32 to 92 mm³)", ""]


def test_what_is_missing_deviates_infinitely():
    found = {one.organ: one for one in judge(_labels((0, 50, 0)), STRUCTURES)}
    assert found["VS"].deviation == found["second cochlea"].deviation == math.inf
    assert found["VS"].doubt == "VS missing (usual 239 to 6,776 mm³)"
    assert found["cochlea"].doubt == ""
    assert [one.organ for one in judge(_labels((0, 0, 0)), STRUCTURES)] == ["VS", "cochlea"]


def test_the_parts_of_a_vs_are_judged_together():
    labels = _labels((400, 50, 50), (1, 3, 3))
    labels.values[45:55, 50:60, 0] = 2
    assert judge(labels, THREE)[0].mm3 == 400 + 100
    assert judge(labels, {"ventricle": 1}) == []
