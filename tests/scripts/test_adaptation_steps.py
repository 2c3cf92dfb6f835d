"""The table of the adaptation's steps, from scores that are written out, and what has to be run for its rows."""

import math
from pathlib import Path

import pandas as pd
import pytest
from adaptation_steps import TITLES, adaptation_steps, lines_of, link_site, needed, tables

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import SHIPPED, SIZES
from tanq_monai.errors import InputError

CASES = ("crossmoda2021_ldn_1", "crossmoda2022_etz_2", "crossmoda2022_etz_3")


def scores(row, dice, seed=0, minutes=12.3):
    """The VS of the last case is in no truth."""
    values = {(case, structure): dice for case in CASES for structure in ("VS", "cochlea")} | {
        (CASES[2], "VS"): math.nan
    }
    keys = {"row": row, "seed": seed, "line": "both", "assd_mm": 2.0, "minutes": minutes}
    return pd.DataFrame([keys | {"case": c, "structure": s, "dice": value} for (c, s), value in values.items()])


def cells(text):
    return {line.split(" | ")[0].strip("| "): line.strip("| \n").split(" | ")[1:] for line in text.splitlines()}


def test_every_step_is_compared_with_what_it_is_a_step_from():
    found = pd.concat([scores(name, number / 10) for number, name in enumerate(TITLES)])
    table = cells(tables(found))
    assert table["TANQ"] == ["0.500 (0.500, 0.500)", "2.000 (2.000, 2.000)"] * 2 + ["12"]
    assert {name: float(row[0].split()[0]) for name, row in table.items() if " - " in name} == {
        "signal equations - no adaptation": 0.1,
        "CycleGAN - no adaptation": 0.2,
        "CycleGAN with SegDecoders - CycleGAN": 0.1,
        "looks from exemplars - no adaptation": 0.4,
        "TANQ - no adaptation": 0.5,
        "multi-view - TANQ": 0.1,
        "+ signal equations - multi-view": 0.1,
        "TANQ + VS levels - TANQ": 0.3,
        "+ VS levels - multi-view": 0.3,
        "+ random filters - multi-view": 0.4,
        "+ TriD - multi-view": 0.5,
        "+ adversary - multi-view": 0.6,
        "+ self-training - + VS levels": 0.4,
        "+ refinement - + self-training": 0.1,
        "shipped weights, adapted - shipped weights": 0.1,
    }


def test_a_difference_is_taken_within_each_training_and_its_interval_reaches_over_all_of_them():
    differences = (0.0, 0.1, 0.2)
    both = [
        scores(row, 0.3 * seed + extra, seed)
        for seed, difference in enumerate(differences)
        for row, extra in (("no_adaptation", 0.0), ("tanq", difference))
    ]
    table = cells(tables(pd.concat(both)))
    assert table["TANQ - no adaptation"][0] == "0.100 (0.000, 0.200)"  # though the trainings lie .3 apart
    assert table["TANQ"][0] == "0.400 (0.000, 0.800)"


def test_a_row_without_its_base_is_in_the_first_table_alone():
    text = tables(scores("multi_view", 0.5))
    assert "| multi-view |" in text
    assert " - " not in text


def test_a_step_is_compared_within_the_seeds_of_both_its_rows():
    found = [scores("no_adaptation", 0.1, 0), scores("no_adaptation", 0.7, 1), scores("tanq", 0.2, 0)]
    table = cells(tables(pd.concat(found)))
    assert table["TANQ - no adaptation"][0] == "0.100 (0.100, 0.100)"
    assert table["no adaptation"][0].startswith("0.400 ")


def test_a_row_costs_the_mean_over_seeds_of_all_its_lines():
    lines = [scores("tanq", 0.5, seed, minutes).assign(line=line) for seed, line, minutes in
             ((0, "ldn", 10.0), (0, "etz", 10.0), (1, "ldn", 30.0), (1, "etz", 50.0))]  # fmt: skip
    lines = [each[each["case"].str.contains("ldn") == (each["line"] == "etz")] for each in lines]
    assert cells(tables(pd.concat(lines)))["TANQ"][-1] == "50"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seeds": [1, 4]}, "has seed 4 already; choose other --seeds"),
        ({"num_test": 24}, "has scores of 3 scans, not 24; give its --num-test"),
        ({"earlier": "tanq.md"}, "cannot be read"),
        ({"earlier": "others.csv"}, "has no column line"),
        ({"earlier": "older.csv"}, "has a row feedback, which is none; give a run of this script as it is"),
    ],
)
def test_scores_that_are_of_no_other_seeds_of_the_same_bench_are_refused(changes, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores("tanq", 0.5, 4).to_csv("tanq.csv", index=False)
    scores("feedback", 0.5, 4).to_csv("older.csv", index=False)
    scores("tanq", 0.5, 4).drop(columns="line").to_csv("others.csv", index=False)
    with pytest.raises(InputError, match=problem):
        adaptation_steps("out", **({"earlier": "tanq.csv", "num_test": 3, "seeds": 1} | changes))
    assert not Path("out").exists()


def test_all_rows_are_scored_on_the_same_scans_and_each_has_all_that_it_builds_on(tmp_path):
    scans = Scans(*(tmp_path / name for name in ("source", "target", "test")))
    scans.target.mkdir()
    for name in ("1_ldn_2", "1_ldn_1", "2_etz_0"):
        (scans.target / f"{name}_hrT2.nii.gz").touch()
    line = Adaptation(scans, tmp_path, SIZES["small"], 0, tmp_path / "truth", tmp_path / "target_truth")
    rows = needed(line, rounds=2)
    assert list(rows) == list(TITLES)
    before = ["train_tanq", "train_cyclegan", "make_translated_multi_view", "train_levels_training"]
    levels = "'level_ranges': [{'VS': [0.26, 0.59]}, {'VS': [0.39, 0.44]}]"
    assert [step.name for step in rows["levels"]][:4] == before
    assert levels in " ".join(rows["levels"][3].arguments)
    for name in ("self_training", "refinement"):
        assert [step.name for step in rows[name]][:5] == [*before, f"train_{name}_training"]
        assert f"--first_ensemble {tmp_path}/levels_training/models" in rows[name][4].command
        assert f"--dataset_dir {tmp_path}/translated_multi_view" in rows[name][4].command
        assert levels in " ".join(rows[name][4].arguments)
    cosmos = rows["cosmos"]
    assert "--seg_decoders True" in cosmos[0].command
    assert f"--cyclegan_model_file {tmp_path}/cosmos/models/model.pt" in cosmos[1].command
    first = [str(scans.target / f"{name}_hrT2.nii.gz") for name in ("1_ldn_1", "2_etz_0")]
    assert [step.name for step in rows["exemplar"]][:2] == ["train_exemplar", "make_translated_exemplar"]
    assert rows["exemplar"][1].arguments[rows["exemplar"][1].arguments.index("--exemplars") + 1] == str(first)
    assert [step.name for step in rows["signal"]][:2] == ["make_translated_signal", "train_signal_training"]
    assert [step.name for step in rows["tanq_levels"]][:2] == ["train_tanq", "make_translated_tanq"]
    assert f"--dataset_dir {tmp_path}/translated_tanq" in rows["tanq_levels"][2].command
    assert f"--dataset_dir {tmp_path}/virtual/paired" in rows["quick"][1].command
    assert f"--ensemble_dir {SHIPPED}" in rows["shipped"][0].command
    for row in rows.values():
        segment, score = row[-2:]
        assert f"--dataset_dir {tmp_path}/test" in segment.command
        assert f"--truth_dir {tmp_path}/truth" in score.command


def test_away_the_scans_of_one_site_are_trained_on_and_all_others_tested_on(tmp_path):
    data = tmp_path / "data"
    for folder in ("training_source", "training_target", "validation", "withheld_labels/validation"):
        (data / folder).mkdir(parents=True)
        for case in CASES:
            (data / folder / f"{case}_x.nii.gz").touch()
    link_site(data, tmp_path / "etz", "etz")
    link_site(data, tmp_path / "etz", "etz")  # a run that goes on
    linked = {(str(file.parent.relative_to(tmp_path / "etz")), file.name) for file in (tmp_path / "etz").rglob("*.gz")}
    trained = {(folder, f"{case}_x.nii.gz") for folder in ("training_source", "training_target") for case in CASES[1:]}
    tested = {(folder, f"{CASES[0]}_x.nii.gz") for folder in ("validation", "withheld_labels/validation")}
    assert linked == trained | tested


def test_away_a_translator_knows_the_look_of_its_own_site_alone(tmp_path):
    london, tilburg = lines_of("away", tmp_path, SIZES["small"], seed=3)
    assert (london.settings.looks["styles"], tilburg.settings.looks["styles"]) == (["ldn"], ["etz"])
    assert tilburg.settings.looks["level_ranges"] == [SIZES["small"].looks["level_ranges"][1]]
    assert (tilburg.seed, tilburg.root) == (3, tmp_path / "seed_3" / "etz")


def test_a_row_that_is_none_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(
        InputError, match="--rows cycle: is no row; choose of no_adaptation, signal, cyclegan, cosmos, exemplar, tanq"
    ):
        adaptation_steps(str(tmp_path / "out"), rows=("tanq", "cycle"))
    assert not (tmp_path / "out").exists()
