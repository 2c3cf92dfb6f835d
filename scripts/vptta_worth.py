"""What adaptation to a scan while it is labelled is worth: Dice with it and without, paired; how much longer it takes.

    python scripts/vptta_worth.py --scans IMAGES --truth LABELS --output-dir OUT [--method vptta]
        [--model-dir MODEL] [--overlap 0.5] [--mirror left_right] [--workers 1]

labels every {case}_hrT2.nii.gz of IMAGES without and with adaptation, and writes OUT/test_time.csv: for each case the
Dice of VS and cochlea without, with whatever is found (`all`), and with what `test_time` of inference.yaml keeps; what
was said against it; seconds. Adaptation computes on torch, labelling on the engine that is fastest here: for methods
that leave the network as it is. A worker has one thread.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import fire
import numpy as np
import pandas as pd
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd
from torch import nn

from tanq_monai.anatomy.ears_first import EarsFirst
from tanq_monai.deploy.engine_network import on_engine
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, renewing
from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.statistics import paired_statistics
from tanq_monai.scans.folder import LabelFiles, find_images
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.loading import LoadImageCheckedd
from tanq_monai.segmentation.inference.test_time.choice import inferer_for
from tanq_monai.segmentation.inference.test_time.inferer import Adapted
from tanq_monai.segmentation.plan.plans import (
    mirror_axes_from_plans,
    network_from_plans,
    patch_size_from_plans,
    space_from_plans,
)
from tanq_monai.segmentation.plan.transforms import FromPlanSpaced, ToPlanSpaced
from tanq_monai.steps import BUNDLES
from tanq_monai.structures import STRUCTURES
from tanq_monai.weights import load_weights

SUFFIXES = ("hrT2",)


def vptta_worth(
    scans: str,
    truth: str,
    output_dir: str,
    method: str = "vptta",
    model_dir: str = str(BUNDLES / "vs_cochlea_seg" / "models"),
    overlap: float = 0.5,
    mirror: str = "left_right",
    workers: int = 1,
) -> None:
    """Label, score, compare, print.

    Args:
        scans: folder of {case}_hrT2.nii.gz.
        truth: folder of {case}_Label.nii.gz: 1 VS, 2 cochlea.
        output_dir: gets the table.
        method: of test_time in inference.yaml.
        model_dir: folder of a model of slices.
        overlap: as in inference.yaml.
        mirror: as in inference.yaml.
        workers: scans at a time.
    """
    root, files = check_output_dir(output_dir), LabelFiles(truth)
    found = find_images(scans, suffixes=SUFFIXES)
    found.raise_problems()
    cases = [case | {"truth": str(files.of(case["case"]))} for case in found.cases]
    rows = []
    with ProcessPoolExecutor(workers) as pool:
        for row in pool.map(partial(compare, method, str(model_dir), overlap, mirror), cases):
            print(
                {name: round(float(value), 3) if isinstance(value, float) else value for name, value in row.items()},
                flush=True,
            )
            rows.append(row)
    table = pd.DataFrame(rows)
    with renewing(root / "test_time.csv") as temporary:
        table.to_csv(temporary, index=False)
    for name in STRUCTURES:
        for way in ("all", "kept"):
            pairs = table[[f"{name} without", f"{name} {way}"]].dropna().to_numpy()
            done = paired_statistics(pairs[:, 1] - pairs[:, 0])
            print(
                f"{name}, {way}: {pairs[:, 0].mean():.3f} -> {pairs[:, 1].mean():.3f}, "
                f"{done.mean:+.4f} [{done.ci_low:+.4f}, {done.ci_high:+.4f}], n = {done.n}"
            )
    kept, longer = (table["against"] == "").sum(), table["s with"].sum() / table["s without"].sum()
    print(f"adapted labels kept in {kept} of {len(table)}, {longer:.2f} times as long")


def compare(method: str, model_dir: str, overlap: float, mirror: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the table."""
    torch.set_num_threads(1)
    model = _model(model_dir)
    plans = Path(model_dir) / "plans.json"
    settings = {"overlap": overlap, "mirror_axes": mirror_axes_from_plans(plans, mirror)}
    window = patch_size_from_plans(plans)
    plain, adapting = (inferer_for(word, model_dir, window, **settings) for word in (None, method))
    image: MetaTensor = model["load"](dict(case))["image"]
    volume, affine = image.as_tensor()[None], np.asarray(image.affine, float)
    start = time.perf_counter()
    without = plain(volume, model["fast"])
    seconds = time.perf_counter() - start
    adapted: Adapted = adapting.method(volume, model["torch"], window)
    with_it = plain(adapted.volume, model["fast"])
    against = adapting.objection(without, with_it, affine) or adapted.doubt
    taken = time.perf_counter() - start
    true = read_labels(case["truth"], set(STRUCTURES.values()))
    row: dict[str, Any] = {"case": case["case"]}
    for way, logits in (("without", without), ("all", with_it), ("kept", without if against else with_it)):
        label = model["back"]({"pred": logits[0], "image": image})["pred"]
        kept, _ = EarsFirst(STRUCTURES)(np.asarray(label[0]), np.asarray(label.affine, float))
        row |= {f"{name} {way}": dice(kept == value, true.labels == value) for name, value in STRUCTURES.items()}
    return row | {"against": against, "s without": seconds, "s with": taken}


@cache
def _model(model_dir: str) -> dict[str, Any]:
    """Networks, and the ways into their space and back."""
    folder = Path(model_dir)
    plans, weights = folder / "plans.json", folder / "model.pt"
    network: nn.Module = load_weights(network_from_plans(plans, folder / "dataset.json"), weights).eval()
    space = space_from_plans(plans)
    steps = [LoadImageCheckedd("image", suffixes=SUFFIXES), EnsureChannelFirstd("image"), ToPlanSpaced("image", space)]
    return {
        "torch": network,
        "fast": on_engine(network, weights, threads=1),
        "load": Compose(steps),
        "back": FromPlanSpaced("pred", space),
    }


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(vptta_worth)
