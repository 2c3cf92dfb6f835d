"""The confusion matrix, its kappa, and what is told of them, against their definitions written out."""

import numpy as np
import pytest
from koos import Case, confusion, kappa_interval, kappa_of, told

from tanq_monai.anatomy.koos import Koos


def test_kappa_is_one_less_the_disagreement_over_that_expected_of_the_margins():
    pairs = np.random.default_rng(0).integers(0, 2, (4, 50, 2))
    for one, kappa in zip(pairs, kappa_of(pairs), strict=True):
        table = confusion(one)
        weights = [[0, 1], [1, 0]]
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / 50
        assert kappa == pytest.approx(1 - (weights * table).sum() / (weights * expected).sum())


def test_kappa_is_1_of_agreement_and_no_number_of_one_class():
    assert kappa_of(np.array([(0, 0), (1, 1), (1, 1)])) == 1
    assert np.isnan(kappa_of(np.array([(1, 1), (1, 1)])))


def test_rows_are_the_truth():
    assert confusion(np.array([(0, 1), (0, 1), (1, 1)])).tolist() == [[0, 2], [0, 1]]


def test_the_interval_of_pairs_that_all_agree_is_1_and_of_others_holds_their_kappa():
    assert kappa_interval(np.array([(0, 0), (1, 1), (1, 1)])) == (1, 1)
    pairs = np.array([(0, 0), (0, 1), (1, 1), (1, 1), (0, 0), (1, 0)] * 4)
    low, high = kappa_interval(pairs)
    assert low < kappa_of(pairs) < high < 1


def test_what_is_not_graded_is_counted_and_in_no_kappa():
    nan = float("nan")
    cases = [
        Case("I or II", Koos("I or II"), 0.2, 0.3, 0.8),
        Case("III or IV", Koos("III or IV"), 0.4, 0.8, 0.6),
        Case("I or II", Koos(None, "the VS is cut off"), 0.3, 0.1, 0.4),
        Case("III or IV", Koos(), nan, nan, nan),
    ]
    *_, kappa, porus = told(cases)
    assert kappa == "kappa 1.000 [1.000, 1.000], n = 2, not graded 2"
    assert porus == (
        "true VS in the canal 0.300 ml, lateral of the estimated porus 0.400 ml; mean absolute difference 0.233 ml, "
        "Dice 0.600, n = 3"
    )
