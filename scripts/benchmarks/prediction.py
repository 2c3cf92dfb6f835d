"""One full-size hrT2 scan through the bundle, through the runtime and through nnU-Net's own predictor, same weights."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from benchmarks.measure import machine, report, tell
from tanq_monai.deploy.export import write_unchecked
from tanq_monai.files import write_json
from tanq_monai.phantom import write_dataset
from tanq_monai.precision import cpu_has_bfloat16
from tanq_monai.segmentation.plan.overrides import override_plan
from tanq_monai.segmentation.plan.plans import MIRROR_AXES, TRAINED, network_from_plans, read_json

TIME_BARS = {"2d": 0.25 if cpu_has_bfloat16() else 0.45, "3d_fullres": 0.5}
MEMORY_BARS, CUDA_SECONDS_BAR = {"2d": 0.5, "3d_fullres": 0.8}, 2.0
SCRIPTS = Path(__file__).parents[1]
BUNDLE = SCRIPTS.parent / "bundles" / "vs_cochlea_seg"
MODELS = BUNDLE / "models"
WAYS = {"bundle": "bundle", "runtime": "bundle", "nnU-Net": "results"}  # and what each of them reads
# What nnU-Net plans for ceT1 scans of 120 x 512 x 512 voxels of 1.5 x .41 x .41 mm, on which pseudo-hrT2 lie.
PLANS: dict[str, dict[str, Any]] = {
    "2d": {"spacing": [0.41015625, 0.41015625], "patch_size": [512, 512]},
    "3d_fullres": {"spacing": [1.5, 0.41015625, 0.41015625], "patch_size": [48, 224, 192]},
}


def prediction(
    configurations: Sequence[str] = tuple(PLANS), width: int = 4, threads: int = 2, repeats: int = 3, seed: int = 1
) -> None:
    """Seconds and peak memory from file to file, alternating, every run in a process of its own; no mirroring.

    nnU-Net runs without processes beside its own, which is its way with the least memory.

    Args:
        configurations: of :data:`PLANS`.
        width: features of the first stage; nnU-Net plans 32, which takes hours on two cores. Weights are random.
        threads: of every process.
        repeats: of each; medians.
        seed: of the virtual patient and the weights.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = full_size_scan(folder / "scan", seed)
        tell(f"scan: hrT2 of London style, {nib.load(scan).shape} voxels")
        for configuration in configurations:
            _compare(configuration, scan, folder / configuration, width, threads, repeats)
    tell(f"n = {repeats} runs each, width {width}, random weights, seed {seed}; peak memory is the process's resident")
    tell(f"memory with all imports, seconds without them; {threads} threads, {machine()}, torch {torch.__version__}")


def full_size_scan(folder: Path, seed: int) -> Path:
    """A virtual patient's hrT2, as a scanner stores it."""
    write_dataset(folder, 0, 1, 0, size="full", seed=seed)
    return next((folder / "training_target").glob("*_hrT2.nii.gz"))


def _compare(configuration: str, scan: Path, folder: Path, width: int, threads: int, repeats: int) -> None:
    """Report one configuration."""
    models = write_models(folder, configuration, width)
    write_unchecked(models["bundle"], models["bundle"] / "models" / "model.onnx")  # random weights: logits are noise
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way, model in WAYS.items():
            runs[way].append(_run(way, scan, models[model], folder / f"labels_{way}", threads))
    middle = {
        way: {what: statistics.median(run[what] for run in found) for what in found[0]} for way, found in runs.items()
    }
    labels = {way: np.asarray(nib.load(next((folder / f"labels_{way}").glob("*.nii.gz"))).dataobj) for way in WAYS}
    for way, measured in middle.items():
        tell(f"{configuration}, {way}: {measured['seconds']:.3g} s, {measured['gigabytes']:.3g} GB")
    for way in ("bundle", "runtime"):
        for what, bars in (("seconds", TIME_BARS), ("gigabytes", MEMORY_BARS)):
            ratio = middle[way][what] / middle["nnU-Net"][what]
            report(f"{configuration}, {way}, {what} over nnU-Net's", ratio, bar=bars[configuration])
        same = 100 * float((labels[way] == labels["nnU-Net"]).mean())
        report(f"{configuration}, {way}, voxels of the same label as nnU-Net's", same, "%")
    if torch.cuda.is_available():
        seconds = _run("bundle", scan, models["bundle"], folder / "cuda", threads, "cuda", 2)["seconds"]
        report(f"{configuration}, bundle on CUDA, second scan of a process", seconds, "s", CUDA_SECONDS_BAR)
    else:
        tell(f"{configuration}, bundle on CUDA: no device here, not measured")


def _run(
    way: str, scan: Path, model: Path, output: Path, threads: int, device: str = "cpu", runs: int = 1
) -> dict[str, float]:
    output.mkdir(exist_ok=True)
    given = [way, str(scan), str(model), str(output), str(threads), device, str(runs)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "nnUNet_compile": "f"}
    command = [sys.executable, "-m", "benchmarks.predict_once", *given]
    done = subprocess.run(command, cwd=SCRIPTS, env=environment, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def write_models(folder: Path, configuration: str, width: int) -> dict[str, Path]:
    """A bundle and nnU-Net's result folder with the same random weights."""
    bundle, results = folder / BUNDLE.name, folder / "results"
    shutil.copytree(BUNDLE, bundle, ignore=shutil.ignore_patterns("models", "runs"))
    ours = bundle / "models"
    plan = read_json(MODELS / "plans.json")
    stages = 8 if configuration == "2d" else 6
    override = PLANS[configuration] | {"features_per_stage": [min(width * 2**n, 16 * width) for n in range(stages)]}
    plan = override_plan(plan, configuration, override) | {TRAINED: configuration, MIRROR_AXES: None}
    dataset = read_json(MODELS / "dataset.json")
    for model in (ours, results):
        write_json(plan, model / "plans.json")
        write_json(dataset, model / "dataset.json")
    torch.manual_seed(0)
    weights = network_from_plans(ours / "plans.json", ours / "dataset.json").state_dict()
    torch.save(weights, ours / "model.pt")
    (results / "fold_0").mkdir()
    checkpoint = {
        "network_weights": weights,
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": configuration},
        MIRROR_AXES: None,
    }
    torch.save(checkpoint, results / "fold_0" / "checkpoint_final.pth")
    return {"bundle": bundle, "results": results}
