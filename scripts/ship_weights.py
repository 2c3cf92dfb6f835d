"""Put what `train_translator.py` and `train_segmenter.py` trained into the bundles, with its scores.

    python scripts/ship_weights.py [--translator OUT] [--segmenter OUT]

copies the weights into `models/` of their bundle and the evaluation's own table into `docs/evaluation.csv`, and writes
its figures into `eval_metrics` of `metadata.json`. The segmenter's `model.onnx`, which says where in `model.pt` its
weights lie, is made anew: an installation without torch labels scans by it. `tests/bundles/test_shipped_weights.py`
compares weights, table, figures and file. Then `python scripts/source_statistics.py` makes what `test_time` needs.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import fire
import pandas as pd

from tanq_monai.deploy.export import export_onnx
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import replacing, write_json
from tanq_monai.steps import BUNDLES

TRANSLATOR, SEGMENTER = "tanq_translation", "vs_cochlea_seg"
MODEL = Path("segmenter") / "models" / "2d_fold_all"
FILES = {  # of OUT, by bundle and place in it
    TRANSLATOR: {
        **{
            f"models/{name}": Path("tanq") / "models" / name
            for name in ("model.pt", "discriminator.pt", "projector.pt", "model.json")
        },
        "docs/evaluation.csv": Path("tanq") / "validation.csv",
    },
    SEGMENTER: {
        **{f"models/{name}": MODEL / name for name in ("model.pt", "plans.json", "dataset.json")},
        "docs/evaluation.csv": Path("sites_scores") / "summary.csv",
    },
}


def ship_weights(translator: str | None = None, segmenter: str | None = None, bundles: str | None = None) -> None:
    """Copy the files of ``FILES``, each completely or not at all, write the metadata, export the segmenter.

    Args:
        translator: folder of scripts/train_translator.py; default: the translator stays as it is.
        segmenter: folder of scripts/train_segmenter.py; default: the segmenter stays as it is.
        bundles: folder of both bundles; default: those of this repository.
    """
    given = {TRANSLATOR: translator, SEGMENTER: segmenter}
    roots = {bundle: Path(root) for bundle, root in given.items() if root is not None}
    if not roots:
        raise InputError("--translator, --segmenter", "neither is given", "give the folder of at least one training")
    missing = [root / path for bundle, root in roots.items() for path in FILES[bundle].values()]
    missing = [path for path in missing if not path.is_file()]
    if missing:
        raise InputError(missing[0], "is missing", "let the training's script come to its end")
    folder = BUNDLES if bundles is None else Path(bundles)
    for bundle, root in roots.items():
        for place, path in FILES[bundle].items():
            with replacing(folder / bundle / place) as temporary:
                shutil.copyfile(root / path, temporary)
        metadata_file = folder / bundle / "configs" / "metadata.json"
        metadata = json.loads(metadata_file.read_text(encoding="utf-8"))
        table = pd.read_csv(folder / bundle / "docs" / "evaluation.csv")
        metadata["eval_metrics"] = METRICS[bundle](table)
        write_json(metadata, metadata_file)
    if segmenter is not None:
        print(f"model.onnx: {export_onnx(folder / SEGMENTER)}")


def segmentation_metrics(summary: pd.DataFrame) -> dict[str, Any]:
    """Mean of every structure and metric over all test scans, as `evaluate` summarized them."""
    rows = summary[summary["site"] == "all"]
    names = rows["structure"] + " " + rows["metric"].map({"dice": "Dice", "assd_mm": "ASSD mm"})
    return dict(zip(names, rows["mean"].tolist(), strict=True))


def translation_metrics(validation: pd.DataFrame) -> dict[str, Any]:
    """What the last validation of the training found on patients in both contrasts that it had not seen."""
    last = validation.iloc[-1]
    return {name: float(last[name]) for name in validation.columns if name.startswith("paired_")}


METRICS = {TRANSLATOR: translation_metrics, SEGMENTER: segmentation_metrics}


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(ship_weights)
