import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tanq_monai.metrics.statistics import (
    bootstrap_interval,
    crossed_interval,
    paired_statistics,
    stars,
    summarize,
    summarize_sites,
)


def _values(n, seed=0):
    return np.random.default_rng(seed).normal(0.3, 1.0, n)


def test_interval_equals_scipys_percentile_bootstrap_of_the_same_draws():
    values = _values(23)
    generator = np.random.default_rng(7)
    expected = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=generator)
    low, high = bootstrap_interval(values, seed=7)
    assert low == pytest.approx(expected.confidence_interval.low, rel=1e-12)
    assert high == pytest.approx(expected.confidence_interval.high, rel=1e-12)


def test_interval_of_many_normal_values_is_that_of_the_normal_distribution():
    values = _values(400)
    half = 1.96 * values.std() / np.sqrt(400)
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_follows_from_the_seed_and_moves_and_scales_with_the_values():
    values = _values(12)
    low, high = bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) == (low, high) != bootstrap_interval(values, seed=2)
    assert bootstrap_interval(3 * values + 2, seed=1) == pytest.approx((3 * low + 2, 3 * high + 2))


def test_interval_of_equal_values_is_that_value_and_of_fewer_than_two_there_is_none():
    assert bootstrap_interval(np.full(5, 0.25)) == (0.25, 0.25)
    for values in ([], [0.5]):
        assert np.isnan(bootstrap_interval(np.array(values))).all()


def test_interval_for_ten_cases_holds_the_mean_in_about_nine_of_ten_studies():
    studies = np.random.default_rng(3).normal(size=(300, 10))
    held = [low <= 0 <= high for low, high in (bootstrap_interval(study, seed=0) for study in studies)]
    assert 0.86 < np.mean(held) < 0.95


def test_interval_over_trainings_and_cases_has_the_variance_of_both():
    generator = np.random.default_rng(4)
    of_trainings, of_cases = 0.5 * generator.normal(size=(60, 1)), generator.normal(size=(1, 80))
    low, high = crossed_interval(of_trainings + of_cases)
    half = 1.96 * np.sqrt(of_trainings.var() / 60 + of_cases.var() / 80)
    middle = of_trainings.mean() + of_cases.mean()
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=0.05 * half)


def test_interval_of_one_training_is_that_over_its_cases():
    values = _values(30)
    assert crossed_interval(values[None]) == pytest.approx(bootstrap_interval(values), abs=0.02)


def test_trainings_that_disagree_widen_the_interval_and_equal_ones_do_not():
    values = _values(30)
    equal, apart = np.stack([values] * 3), np.stack([values - 1, values, values + 1])
    (low, high), (lower, higher) = crossed_interval(equal), crossed_interval(apart)
    assert (low, high) == pytest.approx(bootstrap_interval(values), abs=0.02)
    assert higher - lower > 1.5 * (high - low)
    assert np.isnan(crossed_interval(np.ones((3, 1)))).all()


@pytest.mark.parametrize("n", [2, 3, 9, 40, 64])
def test_tests_and_effect_size_equal_scipy_and_the_formula(n):
    ours, others = _values(n, 1), _values(n, 2)
    found = paired_statistics(ours - others)
    differences = [a - b for a, b in zip(ours, others, strict=True)]
    mean = sum(differences) / n
    sd = (sum((x - mean) ** 2 for x in differences) / (n - 1)) ** 0.5
    assert found.n == n
    assert found.mean == pytest.approx(mean)
    assert found.d_z == pytest.approx(mean / sd)
    assert found.p_t == pytest.approx(stats.ttest_rel(ours, others).pvalue, rel=1e-9)
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(ours, others).pvalue, rel=1e-9)


def test_exact_wilcoxon_equals_all_signs_written_out():
    differences = np.array([0.3, -0.1, 0.45, 0.2, 0.7, -0.05])
    ranks = stats.rankdata(np.abs(differences))
    observed = abs(ranks[differences > 0].sum() - ranks.sum() / 2)
    signs = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1)
    as_far = np.abs(ranks @ signs - ranks.sum() / 2) >= observed - 1e-9
    assert paired_statistics(differences).p_wilcoxon == pytest.approx(as_far.mean())


def test_swapping_the_two_sides_turns_the_signs_and_keeps_the_p_values():
    differences = _values(15)
    one, other = paired_statistics(differences), paired_statistics(-differences)
    assert (other.mean, other.d_z) == (-one.mean, -one.d_z)
    assert (other.p_t, other.p_wilcoxon) == pytest.approx((one.p_t, one.p_wilcoxon))
    assert (other.ci_low, other.ci_high) == pytest.approx((-one.ci_high, -one.ci_low))


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pairs_have_no_test(n):
    found = paired_statistics(np.full(n, 0.1))
    assert np.isnan([found.p_t, found.p_wilcoxon, found.d_z, found.ci_low, found.ci_high]).all()
    assert np.isnan(found.mean) == (n == 0)


@pytest.mark.parametrize("n", [2, 14, 60])
def test_pairs_without_any_difference_have_no_test_and_a_mean_of_0(n):
    found = paired_statistics(np.zeros(n))
    assert (found.mean, found.ci_low, found.ci_high) == (0, 0, 0)
    assert np.isnan([found.p_t, found.p_wilcoxon, found.d_z]).all()


@pytest.mark.parametrize("n", [2, 14, 60])
def test_differences_that_only_rounding_tells_apart_have_no_t_test_but_ranks(n):
    differences = (np.linspace(0.1, 0.9, n) + 0.1) - np.linspace(0.1, 0.9, n)
    assert np.ptp(differences) > 0
    found = paired_statistics(differences)
    assert np.isnan([found.p_t, found.d_z]).all()
    assert found.p_wilcoxon == pytest.approx(paired_statistics(np.full(n, 0.1)).p_wilcoxon)
    assert 0 < found.p_wilcoxon <= 1


@pytest.mark.parametrize("n", [2, 5, 13, 14, 60])
def test_ties_and_equal_pairs_among_the_differences_are_ranked_without_a_warning(n):
    differences = np.resize([0.0, 0.1, 0.1, -0.2], n)
    assert 0 < paired_statistics(differences).p_wilcoxon <= 1


@pytest.mark.parametrize(
    ("p", "marks"), [(1.0, ""), (0.05, ""), (0.0499, "*"), (1e-4, "*"), (0.99e-4, "**"), (float("nan"), "")]
)
def test_stars_are_the_papers(p, marks):
    assert stars(p) == marks


def _scores():
    sites = ["etz", "ldn", "ldn", "etz"]
    return pd.DataFrame(
        {"site": sites, "structure": ["VS"] * 4, "dice": [0.5, 0.9, np.nan, 0.7], "assd_mm": [1.0, 350.0, np.nan, 3.0]}
    )


def test_summary_equals_mean_interval_sample_sd_and_median_written_out():
    summary = summarize(_scores(), seed=4)
    for metric, values in (("dice", [0.5, 0.9, 0.7]), ("assd_mm", [1.0, 350.0, 3.0])):
        mean = sum(values) / 3
        row = summary.loc[("VS", metric)]
        assert row["mean"] == pytest.approx(mean)
        assert row["sd"] == pytest.approx((sum((v - mean) ** 2 for v in values) / 2) ** 0.5)
        assert row["median"] == sorted(values)[1]
        assert (row["ci_low"], row["ci_high"]) == bootstrap_interval(np.array(values), seed=4)
        assert (row["n"], row["n/a"]) == (3, 1)


def test_summary_of_nothing_is_empty():
    assert summarize(pd.DataFrame({"structure": [], "dice": [], "assd_mm": []})).empty


def test_every_site_is_summarized_by_its_own_cases():
    scores = _scores()
    summary = summarize_sites(scores)
    assert summary.index.unique("site").tolist() == ["all", "ldn", "etz"]
    pd.testing.assert_frame_equal(summary.loc["all"], summarize(scores))
    pd.testing.assert_frame_equal(summary.loc["etz"], summarize(scores.iloc[[0, 3]]))
    assert summary.loc[("ldn", "VS", "dice"), ["mean", "n", "n/a"]].tolist() == [0.9, 1, 1]


def test_one_site_has_no_rows_of_its_own():
    assert summarize_sites(_scores().iloc[[0, 3]]).index.unique("site").tolist() == ["all"]
