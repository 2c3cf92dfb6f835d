import numpy as np
import pandas as pd
import pytest

from tanq_monai.metrics.comparison import compare
from tanq_monai.metrics.statistics import paired_statistics

OURS = {"c1": (0.8, 0.5), "c2": (0.7, 0.6), "c3": (np.nan, np.nan), "c4": (0.9, 0.2)}
OTHERS = {"c4": (0.6, 1.1), "c2": (0.75, 0.5), "c3": (np.nan, np.nan), "c9": (0.1, 9.0), "c1": (0.4, 350.0)}


def _scores(cases, structure="VS"):
    rows = [
        {"case": case, "structure": structure, "dice": dice, "assd_mm": assd} for case, (dice, assd) in cases.items()
    ]
    return pd.DataFrame(rows, columns=["case", "structure", "dice", "assd_mm"])


def test_pairs_are_found_by_the_name_of_the_case_and_only_those_that_both_have_count():
    table = compare(_scores(OURS), _scores(OTHERS), seed=5)
    for number, metric in enumerate(("dice", "assd_mm")):
        differences = np.array([OURS[case][number] - OTHERS[case][number] for case in ("c1", "c2", "c4")])
        expected = paired_statistics(differences, seed=5)
        row = table.loc[("VS", metric)]
        assert row["n"] == 3
        assert row["mean"] == pytest.approx(np.mean([OURS[case][number] for case in ("c1", "c2", "c4")]))
        assert row["against"] == pytest.approx(np.mean([OTHERS[case][number] for case in ("c1", "c2", "c4")]))
        for column, value in (("difference", expected.mean), ("ci_low", expected.ci_low), ("p_t", expected.p_t)):
            assert row[column] == pytest.approx(value)
        for column in ("ci_high", "p_wilcoxon", "d_z"):
            assert row[column] == pytest.approx(getattr(expected, column))


def test_structures_are_compared_apart_and_keep_their_order():
    worse = {case: (dice - 0.1, assd + 1) for case, (dice, assd) in OURS.items()}
    ours = pd.concat([_scores(OURS, "cochlea"), _scores(OURS, "VS")])
    others = pd.concat([_scores(OURS, "cochlea"), _scores(worse, "VS")])
    table = compare(ours, others)
    assert table.index.tolist() == [(name, metric) for name in ("cochlea", "VS") for metric in ("dice", "assd_mm")]
    np.testing.assert_allclose(table["difference"], [0, 0, 0.1, -1])


def test_clear_differences_get_stars_and_equal_scores_no_test():
    generator = np.random.default_rng(0)
    ours = {f"c{number}": (0.8 + 0.01 * generator.random(), 1.0) for number in range(30)}
    others = {case: (dice - 0.1 - 0.01 * generator.random(), assd) for case, (dice, assd) in ours.items()}
    table = compare(_scores(ours), _scores(others))
    assert table["stars"].tolist() == ["**", ""]
    assert table.loc[("VS", "assd_mm"), ["difference", "ci_low", "ci_high"]].tolist() == [0, 0, 0]
    assert table.loc[("VS", "assd_mm"), ["p_t", "p_wilcoxon", "d_z"]].isna().all()


@pytest.mark.parametrize("others", [{}, {"c9": (0.1, 9.0)}, {"c3": (0.1, 9.0)}])
def test_no_common_case_gives_a_row_without_numbers(others):
    row = compare(_scores(OURS), _scores(others)).loc[("VS", "dice")]
    assert row["n"] == 0
    assert row.drop(["n", "stars"]).isna().all()
