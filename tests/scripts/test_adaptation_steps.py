"""The table of the adaptation's steps, from scores that are written out."""

import pandas as pd
from adaptation_steps import TITLES, rows_of, tables

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import SIZES

CASES = ("crossmoda2021_ldn_1", "crossmoda2022_etz_2", "crossmoda2022_etz_3")


def scores(dice):
    rows = [
        {"case": case, "structure": structure, "dice": dice, "assd_mm": 2.0}
        for case in CASES
        for structure in ("VS", "cochlea")
    ]
    return pd.DataFrame(rows)


def test_every_step_is_compared_with_what_it_is_a_step_from():
    found = {name: scores(dice / 10) for dice, name in enumerate(TITLES)}
    lines = tables(found, seed=0).splitlines()
    assert "| TANQ | 0.200 (0.200, 0.200) | 2.000 (2.000, 2.000) | 0.200" in "\n".join(lines)
    steps = {line.split(" | ")[0].strip("| "): line.split(" | ")[1] for line in lines if " - " in line}
    assert {name: float(text.split()[0]) for name, text in steps.items()} == {
        "CycleGAN - no adaptation": 0.1,
        "TANQ - no adaptation": 0.2,
        "multi-view - TANQ": 0.1,
        "+ self-training - multi-view": 0.1,
        "+ refinement - + self-training": 0.1,
        "+ feedback - + refinement": 0.1,
    }


def test_all_variants_of_self_training_begin_with_the_same_models_and_are_scored_on_the_same_scans(tmp_path):
    scans = Scans(*(tmp_path / name for name in ("source", "target", "test")))
    line = Adaptation(scans, tmp_path, SIZES["small"], 0, tmp_path / "truth")
    rows = dict(rows_of(line, rounds=2))
    assert list(rows) == list(TITLES)
    for name in ("self_training", "refinement", "feedback"):
        assert f"--first_ensemble {tmp_path}/multi_view_training/models" in rows[name][0].command
        assert f"--dataset_dir {tmp_path}/translated_multi_view" in rows[name][0].command
    for row in rows.values():
        segment, score = row[-2:]
        assert f"--dataset_dir {tmp_path}/test" in segment.command
        assert f"--truth_dir {tmp_path}/truth" in score.command
