"""What is made of the bundles for others, against the bars of what it must reach."""

import statistics
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import onnxruntime
import package_zoo
import torch
from torch import Tensor, nn

from benchmarks.measure import alternate, machine, report, run_command, tell
from benchmarks.prediction import full_size_scan, write_models
from benchmarks.steps import made_up_slices
from tanq_monai.deploy.export import export_onnx
from tanq_monai.deploy.graph_generator import GraphGenerator
from tanq_monai.deploy.onnx import Signature, write_onnx
from tanq_monai.networks import TanqGenerator
from tanq_monai.phantom import write_dataset
from tanq_monai.segmentation.plan.plans import network_from_plans, patch_size_from_plans, strides_from_plans

ONNX_BAR, START_SECONDS_BAR, MEMORY_BAR, FETCH_SECONDS_BAR = 1.0, 2.0, 1 / 3, 60.0
OPENED = """
import numpy
import tanq_monai.deploy.runtime
from tanq_monai.deploy.engines import SEGMENTER_2D, Choices, open_engine
open_engine({model!r}, SEGMENTER_2D, Choices())({{"image": numpy.zeros((1, 1, *{window}), numpy.float32)}})
"""
BUNDLE = Path(__file__).parents[2] / "bundles" / "vs_cochlea_seg"


def deploy(threads: int = 2, repeats: int = 5, width: int = 64, size: int = 256, seed: int = 1) -> None:
    """ONNX Runtime over torch, the runtime without torch over the bundle, and from `fetch` to labels.

    Args:
        threads: of every process.
        repeats: of each forward pass and run, alternating; medians.
        width: of the translator; 64 is published.
        size: pixels across a translator's slice.
        seed: of virtual patients and random weights.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generator, slices = TanqGenerator(width).eval(), made_up_slices(1, size)
        style = torch.zeros(1, dtype=torch.long)
        inputs = {"image": torch.zeros(2, 2, 32, 48), "style": torch.zeros(2, dtype=torch.long)}
        signature = Signature(inputs, "translation", 1, ("height", "width"), (4, 4))
        write_onnx(GraphGenerator(generator), folder / "tanq.onnx", signature, {})
        feed = {"image": slices, "style": style}
        _forward(f"TANQ, width {width}", generator, folder / "tanq.onnx", feed, threads, repeats)
        _segmenters(folder, threads, repeats)
        _runtime(folder, threads, repeats, seed)
        _fetch(folder, threads, seed)
    tell(f"n = {repeats} each, fetch 1; seed {seed}; {threads} threads, {machine()}, torch {torch.__version__}, ")
    tell(f"onnxruntime {onnxruntime.__version__}; memory is peak resident, imports included")


def _forward(name: str, network: nn.Module, file: Path, feed: Mapping[str, Tensor], threads: int, repeats: int) -> None:
    """One pass by both."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    run = partial(session.run, None, {key: value.numpy() for key, value in feed.items()})
    with torch.inference_mode():
        difference = (torch.from_numpy(run()[0]) - network(*feed.values())).abs().max().item()
        seconds = alternate([run, partial(network, *feed.values())], repeats)
    tell(f"{name}: ONNX Runtime {seconds[0]:.3g} s, torch {seconds[1]:.3g} s, largest difference {difference:.1e}")
    report(f"{name}, ONNX Runtime over torch", seconds[0] / seconds[1], bar=ONNX_BAR)


def _segmenters(folder: Path, threads: int, repeats: int) -> None:
    """The one that is shipped, and nnU-Net's width in 2D."""
    networks = {"shipped segmenter": BUNDLE / "models"}
    networks["segmenter, nnU-Net's width"] = write_models(folder / "wide", "2d", 32)["bundle"] / "models"
    for name, models in networks.items():
        window, strides = (read(models / "plans.json") for read in (patch_size_from_plans, strides_from_plans))
        network = network_from_plans(models / "plans.json", models / "dataset.json").eval()
        network.load_state_dict(torch.load(models / "model.pt", weights_only=True))
        file = folder / "segmenter.onnx"
        inputs = {"image": torch.zeros(2, 1, *(2 * stride for stride in strides))}
        write_onnx(network, file, Signature(inputs, "logits", 3, ("height", "width"), strides), {})
        image, size = torch.randn(1, 1, *window), " x ".join(map(str, window))
        _forward(f"{name}, {size}", network, file, {"image": image}, threads, repeats)


def _runtime(folder: Path, threads: int, repeats: int, seed: int) -> None:
    """A full-size scan from file to file, by the runtime and by the bundle, every run in a process of its own."""
    model, scan = folder / "model.onnx", full_size_scan(folder / "scan", seed)
    tell(f"shipped segmenter: {export_onnx(BUNDLE, model)}")
    tell(f"scan: {nib.load(scan).shape} voxels")
    window = tuple(patch_size_from_plans(BUNDLE / "models" / "plans.json"))
    opened = OPENED.format(model=str(model), window=window)
    start = [run_command([sys.executable, "-c", opened], folder, threads)[0] for _ in range(repeats)]
    report("runtime, imports, engine and a first window", statistics.median(start), "s", START_SECONDS_BAR)
    words = ["--model", str(model), "--image", str(scan), "--output", str(folder / "label.nii.gz")]
    alone = [sys.executable, "-m", "tanq_monai.deploy.runtime", *words]
    choices = {"dataset_dir": scan.parent, "output_dir": folder / "labels"}
    measured: dict[str, Any] = {"runtime": [], "bundle": []}
    for _ in range(repeats):
        measured["runtime"].append(run_command(alone, folder, threads))
        measured["bundle"].append(run_command(_bundle_run(choices), BUNDLE, threads))
    middle = {way: [statistics.median(values) for values in zip(*runs, strict=True)] for way, runs in measured.items()}
    for way, (seconds, gigabytes) in middle.items():
        tell(f"{way}: {seconds:.3g} s, {gigabytes:.3g} GB")
    report("runtime, memory over the bundle's", middle["runtime"][1] / middle["bundle"][1], bar=MEMORY_BAR)
    report("runtime, seconds over the bundle's", middle["runtime"][0] / middle["bundle"][0])


def _fetch(folder: Path, threads: int, seed: int) -> None:
    """From a zoo in a folder to the label of a scan, packages installed."""
    package_zoo.package_zoo(str(folder / "zoo"))
    write_dataset(folder / "patient", 0, 0, 1, size="small", seed=seed)
    command = [sys.executable, "-m", "tanq_monai", "fetch", "vs_cochlea_seg", "--zoo", str(folder / "zoo")]
    fetched = run_command([*command, "--output-dir", str(folder / "installed")], folder, threads)[0]
    bundle = next((folder / "installed").iterdir())
    choices = {"dataset_dir": folder / "patient" / "validation", "output_dir": folder / "fetched_labels"}
    ran = run_command(_bundle_run(choices), bundle, threads)[0]
    report("from fetch to a label of a virtual patient", fetched + ran, "s", FETCH_SECONDS_BAR)


def _bundle_run(choices: Mapping[str, Path]) -> list[str]:
    files = {"config_file": "configs/inference.yaml", "meta_file": "configs/metadata.json"}
    words = [word for name, value in (files | dict(choices)).items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "monai.bundle", "run", *words]
