"""Scans per minute of late, and the time that is left."""

import pytest

from tanq_monai.cohort.pace import Pace, duration


def test_the_first_scan_tells_no_pace():
    assert Pace().told(100.0, left=5) == ""


def test_scans_done_every_15_seconds_are_4_a_minute():
    pace = Pace()
    told = [pace.told(15.0 * number, left=40 - number) for number in range(20)]
    assert told[19] == "4 scans/min, about 5 min left"
    assert pace.told(300.0, left=0) == "4 scans/min"


def test_the_pace_is_that_of_the_last_hundred_scans():
    pace = Pace()
    for number in range(100):
        pace.told(60.0 * number, left=1000)
    for number in range(101):
        told = pace.told(6000.0 + 6.0 * number, left=100)
    assert told == "10 scans/min, about 10 min left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_durations_are_told_as_people_say_them(seconds, words):
    assert duration(seconds) == words
