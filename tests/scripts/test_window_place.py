"""The script that measures whether a segmenter goes by the place in its window."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "window_place.py"))
SIZE = 160


@pytest.fixture
def disc():
    x, y = np.ogrid[:200, :180]
    return (x - 90) ** 2 + (y - 70) ** 2 < 36


def mean_by_offset(predict, disc):
    rows = list(SCRIPT["by_place"](predict, disc.astype(np.float32), disc, 2, SIZE))
    return {off: [row for row in rows if row["off"] == off] for off in SCRIPT["OFFSETS"]}


def test_labels_by_the_picture_alone_are_right_in_every_place(disc):
    found = mean_by_offset(lambda window: np.where(window > 0.5, 2, 0), disc)
    assert all(len(rows) == 4 for rows in found.values())
    assert all(row["dice"] == 1 and row["false"] == 0 for rows in found.values() for row in rows)


def test_labels_by_the_place_alone_are_right_in_the_middle_alone(disc):
    x, y = np.ogrid[:SIZE, :SIZE]
    middle = np.where((x - 80) ** 2 + (y - 80) ** 2 < 36, 2, 0)
    found = mean_by_offset(lambda window: middle, disc)
    assert all(row["dice"] == 1 for row in found[0])
    for off in (20, 40, 60):
        assert all(row["dice"] == 0 for row in found[off])
    for row in found[60]:
        assert row["false_middle"] == pytest.approx((middle > 0).sum() / 40**2)
        assert row["false"] == pytest.approx((middle > 0).sum() / SIZE**2)


def test_the_largest_piece_is_kept(disc):
    both = disc.copy()
    both[150:153, 150:153] = True
    np.testing.assert_array_equal(SCRIPT["largest_piece"](both), disc)
