"""One scan from file to file, by our bundle, by our runtime or by nnU-Net's own predictor, in a process of its own.

python -m benchmarks.predict_once WAY SCAN MODEL OUTPUT THREADS DEVICE RUNS
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import PeakMemory


def bundle(scan: Path, model: Path, output: Path, device: str, threads: int) -> Callable[[], None]:
    """A bundle's inference.yaml over the folder of ``scan``; ``model`` is the bundle."""
    import torch
    from monai.bundle import ConfigWorkflow

    torch.set_num_threads(threads)

    def predict() -> None:
        configs = model / "configs"
        flow = ConfigWorkflow(
            config_file=str(configs / "inference.yaml"),
            meta_file=str(configs / "metadata.json"),
            workflow_type="inference",
            bundle_root=str(model),
            dataset_dir=str(scan.parent),
            output_dir=str(output),
            ears_first=False,  # which nnU-Net does not know
            device=device,
            threads=threads,
        )
        flow.initialize()
        flow.run()

    return predict


def runtime(scan: Path, model: Path, output: Path, device: str, threads: int) -> Callable[[], None]:
    """The runtime without torch; ``model`` is the bundle."""
    from tanq_monai.deploy.runtime import run

    return lambda: run(
        model / "models" / "model.onnx",
        scan,
        output / "label.nii.gz",
        ears_first=False,
        threads=threads,
        provider=device,
    )


def nnunets(scan: Path, model: Path, output: Path, device: str, threads: int) -> Callable[[], None]:
    """nnU-Net's predictor as ``nnUNetv2_predict -npp 0 -nps 0 --disable_tta``; ``model`` is a result folder."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    torch.set_num_threads(threads)

    def predict() -> None:
        predictor = nnUNetPredictor(use_mirroring=False, device=torch.device(device), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(model), (0,))
        predictor.predict_from_files_sequential([[str(scan)]], [str(output / "label")])

    return predict


def main(way: str, scan: str, model: str, output: str, threads: str, device: str, runs: str) -> None:
    """Print seconds (of the last run, imports not counted) and gigabytes (peak resident, imports counted) as JSON."""
    with PeakMemory() as memory:
        prepare = {"bundle": bundle, "runtime": runtime, "nnU-Net": nnunets}[way]
        predict = prepare(Path(scan), Path(model), Path(output), device, int(threads))
        for _ in range(int(runs)):
            start = time.perf_counter()
            predict()
            seconds = time.perf_counter() - start
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "gigabytes": memory.highest}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
