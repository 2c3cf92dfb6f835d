"""Two segmentations of the same cases, compared case by case."""

import pandas as pd

from tanq_monai.metrics.statistics import METRICS, paired_statistics, stars

_KEY = ["case", "structure"]


def compare(scores: pd.DataFrame, against: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Differences ``scores - against`` per structure and metric, of the cases that both have.

    More is better for Dice, less for ASSD.

    Args:
        scores: columns ``case``, ``structure``, ``dice``, ``assd_mm``; nan is not applicable.
        against: the same columns for another segmentation.
        seed: of the bootstrap.

    Returns:
        Index (structure, metric), columns mean and against (means of the pairs), difference, ci_low, ci_high, p_t,
        stars, p_wilcoxon, d_z, n; nan where a figure is not defined, see
        :class:`~tanq_monai.metrics.statistics.PairedStatistics`. Structures in the order of ``scores``.
    """
    pairs = scores[[*_KEY, *METRICS]].merge(against[[*_KEY, *METRICS]], on=_KEY, suffixes=("", " against"))
    rows = {}
    for structure in scores["structure"].unique():
        for metric in METRICS:
            columns = [metric, f"{metric} against"]
            both = pairs.loc[pairs["structure"] == structure, columns].dropna().to_numpy(dtype=float)
            found = paired_statistics(both[:, 0] - both[:, 1], seed=seed)
            rows[structure, metric] = {
                "mean": both[:, 0].mean() if len(both) else float("nan"),
                "against": both[:, 1].mean() if len(both) else float("nan"),
                "difference": found.mean,
                "ci_low": found.ci_low,
                "ci_high": found.ci_high,
                "p_t": found.p_t,
                "stars": stars(found.p_t),
                "p_wilcoxon": found.p_wilcoxon,
                "d_z": found.d_z,
                "n": found.n,
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["structure", "metric"])
    return table
