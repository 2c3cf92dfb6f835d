import csv
import io

import pandas as pd
import pytest

from tanq_monai.evaluation.tables import as_csv, as_latex, comparison_cells, escape_latex, summary_cells
from tanq_monai.metrics.comparison import compare
from tanq_monai.metrics.statistics import summarize_sites


def _scores(site="etz", lowered=0.0):
    rows = [
        ("c1", "ldn", "VS_50% & more", 0.5, 1.0),
        ("c2", site, "VS_50% & more", 0.9 - lowered, 3.5),
        ("c1", "ldn", "cochlea", float("nan"), float("nan")),
        ("c2", site, "cochlea", 0.25, 350.0),
    ]
    return pd.DataFrame(rows, columns=["case", "site", "structure", "dice", "assd_mm"])


def test_cells_have_four_digits_and_say_what_is_not_applicable():
    cells = summary_cells(summarize_sites(_scores()))
    vs = cells.loc[("all", "VS_50% & more", "Dice")].tolist()
    assert vs == ["0.7000", "0.2828", "0.7000", "[0.5000, 0.9000]", *"20"]
    assert cells.loc[("all", "cochlea", "ASSD (mm)")].tolist() == ["350.0000", "n/a", "350.0000", "n/a", *"11"]
    assert cells.loc[("ldn", "cochlea", "Dice")].tolist() == ["n/a", "n/a", "n/a", "n/a", *"01"]


def test_a_single_site_is_not_shown():
    assert summary_cells(summarize_sites(_scores("ldn"))).index.names == ["structure", "metric"]


def test_no_cell_of_a_comparison_is_a_bare_nan_and_stars_stand_behind_their_p():
    table = compare(_scores(), _scores(lowered=0.1))
    table.loc[("VS_50% & more", "dice"), ["p_t", "stars"]] = [2.31e-05, "**"]
    cells = comparison_cells(table, ("ours", "theirs"))
    assert cells.columns[:2].tolist() == ["ours", "theirs"]
    assert cells["p (t-test)"].tolist() == ["2.3e-05 **", "n/a", "n/a", "n/a"]
    assert "nan" not in cells.to_string().lower()


def test_csv_keeps_a_small_p_and_reads_back_as_missing():
    text = as_csv(pd.DataFrame({"p": [1.23456789e-9, float("nan")], "stars": ["**", ""]}), index=False)
    assert list(csv.reader(io.StringIO(text))) == [["p", "stars"], ["1.23457e-09", "**"], ["n/a", ""]]
    assert pd.read_csv(io.StringIO(text))["p"].isna().tolist() == [False, True]


def test_latex_is_a_booktabs_table_of_escaped_cells_with_one_width():
    lines = as_latex(summary_cells(summarize_sites(_scores()))).splitlines()
    assert lines[0] == r"\begin{tabular}{lllrrrrrr}"
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    rows = [line for line in lines if line.endswith(r" \\")]
    assert len(rows) == 1 + 3 * 4
    assert {row.count(" & ") for row in rows} == {8}
    assert rows[0].startswith(r"Site & Structure & Metric & mean & sd & median & 95\% CI")
    assert rows[1].startswith(r"all & VS\_50\% \& more & Dice & 0.7000 & ")
    assert rows[2].startswith(" &  & ASSD (mm) & ")
    assert rows[3].startswith(" & cochlea & Dice & ")


def test_latex_has_minus_signs_and_powers_of_ten():
    cells = pd.DataFrame({"d_z": ["-0.50", "[-1.0, 2.0]"], "p (t-test)": ["2.3e-05 **", "1e-10"], "a-1": ["n/a", "x"]})
    cells.index = pd.MultiIndex.from_tuples([("VS-1", "Dice"), ("b", "Dice")], names=["structure", "metric"])
    text = as_latex(cells)
    assert r"Structure & Metric & $d_z$ & p (t-test) & a-1 \\" in text
    assert r"VS-1 & Dice & $-$0.50 & $2.3 \cdot 10^{-5}$ ** & n/a \\" in text
    assert r"b & Dice & [$-$1.0, 2.0] & $1 \cdot 10^{-10}$ & x \\" in text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b", r"a\_b"),
        ("100%", r"100\%"),
        ("{x}\\", r"\{x\}\textbackslash{}"),
        ("~^#$&", r"\textasciitilde{}\textasciicircum{}\#\$\&"),
    ],
)
def test_characters_that_mean_something_in_latex_are_escaped(text, escaped):
    assert escape_latex(text) == escaped
