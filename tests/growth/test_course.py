"""Changes between visits: numbers by hand, and no word of growth where noise explains it."""

import math
from datetime import date

import pytest

from tanq_monai.growth.course import Visit, course_of
from tanq_monai.growth.noise import Noise, measured_noise

NOISE = Noise((0.5,), (0.2, 0.05), 1.96, {})
FIRST, LATER = date(2022, 1, 1), date(2024, 1, 1)  # 730 days


def change(before, after, sides=("left", "left")):
    visits = [
        Visit("b", LATER, after, sides[1] if after else None),
        Visit("a", FIRST, before, sides[0] if before else None),
    ]
    return course_of(visits, NOISE).whole


def test_visits_are_in_the_order_of_their_days():
    assert [visit.case for visit in course_of([Visit("b", LATER, 1), Visit("a", FIRST, 1)], NOISE).visits] == ["a", "b"]


def test_a_class_begins_with_its_bound():
    assert [NOISE.deviation(ml) for ml in (0.1, 0.499, 0.5, 9)] == [0.2, 0.2, 0.05, 0.05]


def test_the_interval_of_a_volume_is_196_deviations_of_its_logarithm():
    value, low, high = NOISE.volume(0.4)
    assert (value, low, high) == pytest.approx((0.4, 0.4 * math.exp(-0.392), 0.4 * math.exp(0.392)))


def test_the_interval_of_a_ratio_has_the_noise_of_both_volumes():
    ratio = change(0.4, 0.8).ratio
    reach = math.exp(1.96 * math.sqrt(0.2**2 + 0.05**2))
    assert ratio == pytest.approx((2.0, 2.0 / reach, 2.0 * reach))


@pytest.mark.parametrize(
    ("before", "after", "beyond", "flagged", "words"),
    [
        (1.0, 1.0, False, False, "no change beyond the noise (+0 %;"),
        (1.0, 1.14, False, False, "no change beyond the noise (+14 %;"),  # exp(1.96 * .0707) is 1.149
        (1.0, 1.16, True, False, "larger beyond the noise (+16 %;"),
        (1.0, 1.2, True, True, "larger beyond the noise (+20 %, 20 % or more;"),
        (1.0, 0.8, True, True, "smaller beyond the noise (-20 %, 20 % or more;"),
        (1.0, 0.86, True, False, "smaller beyond the noise (-14 %;"),
        (0.2, 0.3, False, True, "no change beyond the noise (+50 %, 20 % or more;"),  # exp(1.96 * .283) is 1.74
        (0.2, 0.36, True, True, "larger beyond the noise (+80 %, 20 % or more;"),
    ],
)
def test_a_change_of_20_percent_is_flagged_and_growth_is_said_only_beyond_the_noise(
    before, after, beyond, flagged, words
):
    found = change(before, after)
    assert (found.beyond_noise, found.flagged) == (beyond, flagged)
    assert found.verdict.startswith(words)


@pytest.mark.parametrize("after", [0.5 * 1.02**step for step in range(-40, 41)])
def test_no_verdict_of_an_interval_that_holds_no_change_says_larger_or_smaller(after):
    found = change(0.5, after)
    holds = found.ratio.low <= 1 <= found.ratio.high
    assert ("larger" in found.verdict or "smaller" in found.verdict) != holds
    assert (found.doubling_years is None) == (found.ratio.low <= 1)


def test_the_doubling_time_of_a_doubled_volume_is_the_time_between_with_bounds_by_the_noise():
    found = change(1.0, 2.0)
    years = 730 / 365.25
    reach = 1.96 * math.hypot(0.05, 0.05) / math.log(2)
    assert found.doubling_years == pytest.approx((years, years / (1 + reach), years / (1 - reach)))


def test_where_growth_is_not_shown_a_doubling_time_is_only_bounded_from_below():
    found = change(1.0, 1.0)
    assert found.doubling_years is None
    assert found.doubling_at_least == pytest.approx(730 / 365.25 * math.log(2) / (1.96 * math.hypot(0.05, 0.05)))
    assert change(1.0, 0.5).doubling_at_least is None


@pytest.mark.parametrize(
    ("before", "after", "sides", "words"),
    [
        (0.0, 1.0, ("left", "left"), "not measured: no VS was found in a"),
        (0.0, 0.0, ("left", "left"), "not measured: no VS was found in a and b"),
        (1.0, 1.5, ("left", "right"), "not measured: the VS is left in a and right in b"),
    ],
)
def test_what_cannot_be_compared_is_not_compared(before, after, sides, words):
    found = change(before, after, sides)
    assert (found.ratio, found.flagged, found.beyond_noise) == (None, False, False)
    assert (found.doubling_years, found.doubling_at_least) == (None, None)
    assert found.verdict == words


def test_the_shipped_noise_says_how_it_was_measured():
    noise = measured_noise()
    assert len(noise.deviations) == len(noise.bounds) + 1
    assert all(0 < deviation < 1 for deviation in noise.deviations)
    assert noise.facts["command"].startswith("python scripts/growth_noise.py --output-dir OUT --num-patients ")
    assert noise.facts["patients"] >= 20
    assert 1.5 < noise.reach < 4
    assert {"scans_each", "seed", "date"} <= noise.facts.keys()
