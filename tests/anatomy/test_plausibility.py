import math

import numpy as np
import pytest

from tanq_monai.anatomy.measured import Anatomy, Structure
from tanq_monai.anatomy.plausibility import judge


def anatomy(vs=None, right=None, left=None):
    """Structures of so many mm3."""
    return Anatomy(*(None if mm3 is None else Structure(mm3, np.zeros(3), np.zeros(3)) for mm3 in (vs, right, left)))


@pytest.mark.parametrize(("mm3", "deviation"), [(238.9, 1), (1408, 0), (6776, 1), (6776**2 / 1408, 2)])
def test_volumes_at_the_percentiles_deviate_by_1_and_at_the_median_by_0(mm3, deviation):
    assert judge(anatomy(vs=mm3))[0].deviation == pytest.approx(deviation, abs=1e-9)


def test_each_cochlea_is_judged_by_itself():
    found = judge(anatomy(800, 10, 56))
    assert [(one.organ, one.mm3) for one in found] == [("VS", 800), ("right cochlea", 10), ("left cochlea", 56)]
    assert [one.doubt for one in found] == ["", "right cochlea of 10 mm³ (usual 32 to 92 mm³)", ""]


def test_what_is_missing_or_a_fragment_deviates_infinitely():
    found = judge(anatomy(right=50, left=8.9))
    assert [one.deviation == math.inf for one in found] == [True, False, True]
    assert [one.doubt for one in found] == [
        "VS missing (usual 239 to 6,776 mm³)",
        "",
        "left cochlea missing (usual 32 to 92 mm³)",
    ]
