"""Put what `scripts/train_weights.py` trained into the bundles, with its scores.

    python scripts/ship_weights.py --trained OUT

copies the weights into `models/` of both bundles and the evaluation's own tables into `docs/evaluation.csv`, and writes
their figures into `eval_metrics` of `metadata.json`. `tests/bundles/test_shipped_weights.py` compares the three.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import fire
import pandas as pd

from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import replacing, write_json
from tanq_monai.steps import BUNDLES

MODEL = Path("self_training") / "round_1" / "models" / "2d_fold_all"
FILES = {  # of OUT, by bundle and place in it
    "tanq_translation": {
        "models/model.pt": Path("tanq") / "models" / "model.pt",
        "models/model.json": Path("tanq") / "models" / "model.json",
        "docs/evaluation.csv": Path("tanq") / "validation.csv",
    },
    "vs_cochlea_seg": {
        **{f"models/{name}": MODEL / name for name in ("model.pt", "plans.json", "dataset.json")},
        "docs/evaluation.csv": Path("scores") / "summary.csv",
    },
}


def ship_weights(trained: str, bundles: str | None = None) -> None:
    """Copy the files of ``FILES``, each completely or not at all, and write the metadata.

    Args:
        trained: folder of scripts/train_weights.py.
        bundles: folder of both bundles; default: those of this repository.
    """
    root, folder = Path(trained), BUNDLES if bundles is None else Path(bundles)
    missing = [path for files in FILES.values() for path in files.values() if not (root / path).is_file()]
    if missing:
        raise InputError(root / missing[0], "is missing", "let scripts/train_weights.py come to its end")
    for bundle, files in FILES.items():
        for place, path in files.items():
            with replacing(folder / bundle / place) as temporary:
                shutil.copyfile(root / path, temporary)
        metadata_file = folder / bundle / "configs" / "metadata.json"
        metadata = json.loads(metadata_file.read_text(encoding="utf-8"))
        table = pd.read_csv(folder / bundle / "docs" / "evaluation.csv")
        metadata["eval_metrics"] = METRICS[bundle](table)
        write_json(metadata, metadata_file)


def segmentation_metrics(summary: pd.DataFrame) -> dict[str, Any]:
    """Mean of every structure and metric over all test scans, as `evaluate` summarized them."""
    rows = summary[summary["site"] == "all"]
    names = rows["structure"] + " " + rows["metric"].map({"dice": "Dice", "assd_mm": "ASSD mm"})
    return dict(zip(names, rows["mean"].tolist(), strict=True))


def translation_metrics(validation: pd.DataFrame) -> dict[str, Any]:
    """What the last validation of the training found on patients in both contrasts that it had not seen."""
    last = validation.iloc[-1]
    return {name: float(last[name]) for name in validation.columns if name.startswith("paired_")}


METRICS = {"tanq_translation": translation_metrics, "vs_cochlea_seg": segmentation_metrics}


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(ship_weights)
