import math

import numpy as np
import pytest
from scipy.stats import norm

from tanq_monai.anatomy.components import Component
from tanq_monai.anatomy.measured import Anatomy, Structure
from tanq_monai.anatomy.plausibility import Plausible, judge


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


# Of the published tumors, mm beside the cochlea: median and quartiles; turned by 20 degrees, one lies 5 mm elsewhere.
MEDIAL, POSTERIOR, SUPERIOR = (
    norm(median, math.hypot((high - low) / (norm.ppf(0.75) - norm.ppf(0.25)), 5.0))
    for low, median, high in ((8.956, 11.69, 14.48), (5.433, 7.748, 9.792), (2.28, 3.236, 4.437))
)
RIGHT, LEFT = (Component(number, 56, 56, np.array([x, 0.0, 0.0])) for number, x in ((1, 35.0), (2, -35.0)))


def piece(number, weight, ear, medial, posterior, superior):
    """One that lies so many mm beside an ear."""
    return Component(
        number, 500, weight, ear.center + np.array([-np.sign(ear.center[0]) * medial, -posterior, superior])
    )


@pytest.mark.parametrize("ear", [RIGHT, LEFT], ids=["right", "left"])
@pytest.mark.parametrize("place", [(2.0, 9.0, 4.0), (16.0, 12.0, 2.0), (11.0, -4.0, 5.0), (-3.0, 8.0, 3.0)])
def test_a_vs_counts_by_its_weight_times_how_often_tumors_lie_where_it_does(ear, place):
    x, y, z = place
    frequency = MEDIAL.pdf(x) * POSTERIOR.pdf(y) * SUPERIOR.pdf(z)
    at_the_median = MEDIAL.pdf(MEDIAL.mean()) * POSTERIOR.pdf(POSTERIOR.mean()) * SUPERIOR.pdf(SUPERIOR.mean())
    usual = piece(1, 500, ear, MEDIAL.mean(), POSTERIOR.mean(), SUPERIOR.mean())
    for factor, wanted in ((0.99, 1), (1.01, 2)):
        other = piece(2, 500 * factor * at_the_median / frequency, ear, *place)
        (chosen,) = Plausible().vs([usual, other], [RIGHT, LEFT])
        assert chosen.number == wanted


def test_beside_one_ear_alone_either_side_may_be_medial():
    lateral, weak = piece(1, 500, RIGHT, -12, 8, 3), piece(2, 400, RIGHT, 12, 8, 3)
    assert Plausible().vs([lateral, weak], [RIGHT]) == (lateral,)
    assert Plausible().vs([lateral, weak], [RIGHT, LEFT]) == (weak,)
