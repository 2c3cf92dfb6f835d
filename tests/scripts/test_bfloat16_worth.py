"""The comparison of number types, from scores that are written out."""

import pandas as pd
from bfloat16_worth import line_of, steps_of, table

from tanq_monai.adaptation.settings import SIZES

DICE = {"float32": (0.50, 0.56, 0.53), "bfloat16": (0.52, 0.55, 0.49)}


def test_the_difference_of_means_is_set_against_the_larger_spread_of_the_seeds():
    rows = [
        {"type": name, "seed": seed, "structure": "VS", "dice": dice}
        for name, own in DICE.items()
        for seed, dice in enumerate(own)
    ]
    text = table(pd.DataFrame(rows))
    assert "| VS | 1 | 0.560 | 0.550 |" in text
    assert "VS: bfloat16 - float32 = -0.010, inside the seeds' spread of 0.060" in text
    for row in rows:
        row["dice"] += 0.2 * (row["type"] == "bfloat16")
    assert "= +0.190, outside the seeds' spread of 0.060" in table(pd.DataFrame(rows))


def test_both_types_train_translator_and_segmenter_alike_but_for_the_type(tmp_path):
    commands = {
        name: [step.command for step in steps_of(line_of(tmp_path, SIZES["tiny"], name, 2))]
        for name in ("float32", "bfloat16")
    }
    translator, _, segmenter, *_ = commands["bfloat16"]
    assert "'--train#trainer#amp' True" in translator
    assert "'train#trainer#amp': True" in segmenter.replace("\\", "").replace("'\"'\"'", "'")
    for one, other in zip(commands["float32"], commands["bfloat16"], strict=True):
        assert one.replace("float32", "TYPE").replace("False", "True") == other.replace("bfloat16", "TYPE").replace(
            "False", "True"
        )
