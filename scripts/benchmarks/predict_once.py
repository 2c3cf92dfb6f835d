"""One scan from file to file, by our bundle or by nnU-Net's own predictor, in a process of its own.

python -m benchmarks.predict_once WAY SCAN MODEL OUTPUT THREADS DEVICE RUNS
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.measure import PeakMemory

BUNDLE = Path(__file__).parents[2] / "bundles" / "vs_cochlea_seg"


def ours(scan: Path, model: Path, output: Path, device: str) -> Callable[[], None]:
    """The bundle's inference.yaml over the folder of ``scan``; ``model`` is a model folder."""
    from monai.bundle import ConfigWorkflow

    def predict() -> None:
        configs = BUNDLE / "configs"
        folders = {"dataset_dir": str(scan.parent), "model_dir": str(model), "output_dir": str(output)}
        flow = ConfigWorkflow(
            config_file=str(configs / "inference.yaml"),
            meta_file=str(configs / "metadata.json"),
            workflow_type="inference",
            bundle_root=str(BUNDLE),
            device=device,
            **folders,
        )
        flow.initialize()
        flow.run()

    return predict


def nnunets(scan: Path, model: Path, output: Path, device: str) -> Callable[[], None]:
    """nnU-Net's predictor as ``nnUNetv2_predict -npp 0 -nps 0 --disable_tta``; ``model`` is a result folder."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    def predict() -> None:
        predictor = nnUNetPredictor(use_mirroring=False, device=torch.device(device), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(model), (0,))
        predictor.predict_from_files_sequential([[str(scan)]], [str(output / "label")])

    return predict


def main(way: str, scan: str, model: str, output: str, threads: str, device: str, runs: str) -> None:
    """Print seconds (of the last run, imports not counted) and gigabytes (peak resident, imports counted) as JSON."""
    torch.set_num_threads(int(threads))
    with PeakMemory() as memory:
        predict = {"ours": ours, "nnunets": nnunets}[way](Path(scan), Path(model), Path(output), device)
        for _ in range(int(runs)):
            start = time.perf_counter()
            predict()
            seconds = time.perf_counter() - start
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "gigabytes": memory.highest}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
