"""Every engine and number type that is installed, on every kind of network, against torch in float32."""

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.measure import alternate, machine, report, tell
from benchmarks.prediction import BUNDLE, write_models
from benchmarks.steps import made_up_slices
from tanq_monai.data.model_choices import write_choices
from tanq_monai.deploy.bundle_network import WEIGHTS, read_network
from tanq_monai.deploy.engine_network import Bfloat16Network, EngineNetwork, kind_of, on_engine
from tanq_monai.deploy.engines.choice import is_installed
from tanq_monai.deploy.export import write_unchecked
from tanq_monai.errors import InputError
from tanq_monai.metrics.dice import dice
from tanq_monai.networks import TanqGenerator
from tanq_monai.phantom import Case, scan_case
from tanq_monai.precision import cpu_has_bfloat16
from tanq_monai.segmentation.inferer import PlanInferer
from tanq_monai.segmentation.plans import patch_size_from_plans, space_from_plans
from tanq_monai.transforms.plan_space import crop_and_normalize
from tanq_monai.transforms.resampling import resample

DICE_BAR = 0.998
ENGINES = ("torch", "onnxruntime", "openvino")
STRUCTURES = {"VS": 1, "cochlea": 2}
Inputs = Mapping[str, Tensor]


def engines(threads: int = 2, repeats: int = 5, seed: int = 1, wide: bool = True) -> None:
    """Seconds of one pass over those of torch in float32, Dice of its labels, and which engine ``auto`` takes.

    Args:
        threads: of every engine.
        repeats: of each pass, alternating; medians.
        seed: of the virtual patient and of random weights.
        wide: also networks of published width, which take minutes.
    """
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shipped = {bundle: _copy(BUNDLE.parent / bundle, folder) for bundle in ("vs_cochlea_seg", "tanq_translation")}
        _measure("segmenter, shipped", shipped["vs_cochlea_seg"], _window, threads, repeats)
        _labels(shipped["vs_cochlea_seg"], threads, seed)
        small = write_models(folder / "3d", "3d_fullres", 4)["bundle"]
        _measure("segmenter, 3D, width 4", small, _window, threads, repeats)
        _measure("translator, shipped", shipped["tanq_translation"], partial(_slice, 128), threads, repeats)
        if wide:
            full = write_models(folder / "2d", "2d", 32)["bundle"]
            _measure("segmenter, 2D, nnU-Net's width", full, _window, threads, repeats)
            _measure("translator, the paper's width", _paper(folder), partial(_slice, 256), threads, repeats)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ENGINES if is_installed(name))
    tell(f"n = {repeats} each, seed {seed}; {threads} threads, {machine()}, bfloat16: {cpu_has_bfloat16()}; {versions}")


def _copy(bundle: Path, folder: Path) -> Path:
    """A bundle with its ONNX file."""
    copy = folder / bundle.name
    shutil.copytree(bundle, copy, ignore=shutil.ignore_patterns("runs", "*.onnx"))
    write_unchecked(copy, copy / "models" / "model.onnx")
    return copy


def _paper(folder: Path) -> Path:
    """The translator of the paper's width with random weights."""
    bundle = folder / "paper" / "tanq_translation"
    shutil.copytree(BUNDLE.parent / bundle.name, bundle, ignore=shutil.ignore_patterns("runs", "models"))
    choices = {"pixels": 256, "pixel_mm": 0.41, "slab_mm": 10.0, "styles": [""], "width": 64, "blocks": 6}
    (bundle / WEIGHTS).parent.mkdir()
    torch.save(TanqGenerator(64).state_dict(), bundle / WEIGHTS)
    write_choices(choices, bundle / WEIGHTS)
    write_unchecked(bundle, bundle / "models" / "model.onnx")
    return bundle


def _window(bundle: Path) -> Inputs:
    return {"image": torch.randn(1, 1, *patch_size_from_plans(bundle / "models" / "plans.json"))}


def _slice(size: int, bundle: Path) -> Inputs:
    return {"image": made_up_slices(1, size), "style": torch.zeros(1, dtype=torch.long)}


def _networks(bundle: Path, threads: int) -> dict[str, nn.Module]:
    """A bundle's network by engine and type, those that there are; the first is what the others are compared with."""
    networks: dict[str, nn.Module] = {}
    types = {"float32": False} | ({"bfloat16": True} if cpu_has_bfloat16() else {})
    for engine, (name, amp) in itertools.product(ENGINES, types.items()):
        network = read_network(bundle)
        with contextlib.suppress(InputError):  # not installed, or float32 alone
            networks[f"{engine} {name}"] = on_engine(network, bundle / WEIGHTS, engine=engine, threads=threads, amp=amp)
    return networks


def _measure(name: str, bundle: Path, inputs_of: Callable[[Path], Inputs], threads: int, repeats: int) -> None:
    """One pass by each engine."""
    if not (bundle / "models" / "model.onnx").is_file():
        write_unchecked(bundle, bundle / "models" / "model.onnx")
    inputs, networks = inputs_of(bundle), _networks(bundle, threads)
    with torch.inference_mode():
        works = [partial(network, *inputs.values()) for network in networks.values()]
        seconds = alternate(works, repeats)
        first, *others = (work().float() for work in works)
    told = {"torch float32": f"{seconds[0]:.3g} s"}
    for way, taken, output in zip(list(networks)[1:], seconds[1:], others, strict=True):
        told[way] = f"{taken / seconds[0]:.2f} of it, largest difference {(output - first).abs().max():.1e}"
    for way, text in told.items():
        tell(f"{name}, {way}: {text}")
    auto = on_engine(read_network(bundle), bundle / WEIGHTS, threads=threads)
    chosen = type(auto.engine).__name__ if isinstance(auto, EngineNetwork) else "torch"
    fastest = min(zip(seconds, networks, strict=True))[1]
    tell(f"{name} ({kind_of(read_network(bundle))}): auto takes {chosen}, the fastest was {fastest}")


def _labels(bundle: Path, threads: int, seed: int, patients: int = 4) -> None:
    """Dice of the labels of virtual patients, voxels pooled, with the shipped weights."""
    plans = bundle / "models" / "plans.json"
    space, inferer = space_from_plans(plans), PlanInferer(patch_size_from_plans(plans))
    networks = _networks(bundle, threads)
    networks.setdefault("torch bfloat16", Bfloat16Network(read_network(bundle)))  # slow here, but labels can be told
    found: dict[str, list[NDArray[np.int64]]] = {way: [] for way in networks}
    for number in range(patients):
        scans = scan_case(Case("test", number), "small", seed=seed)
        crop, placement = crop_and_normalize(scans.images["hrT2"], scans.grid.affine, space)
        shape, target = placement.new_shape(space), space.target_spacing(placement.spacing)
        image = resample(torch.from_numpy(crop)[None], shape, placement.spacing, target, space.image)
        with torch.inference_mode():
            for way, network in networks.items():
                found[way].append(inferer(image[None], network)[0].argmax(dim=0).flatten().numpy())
    labels = {way: np.concatenate(parts) for way, parts in found.items()}
    first, *others = labels
    for way, (structure, value) in itertools.product(others, STRUCTURES.items()):
        what = f"segmenter, shipped, {way}, Dice of {structure} to torch float32"
        report(what, dice(labels[way] == value, labels[first] == value), bar=DICE_BAR, at_least=True)
    sizes = {structure: int(np.sum(labels[first] == value)) for structure, value in STRUCTURES.items()}
    tell(f"{patients} virtual patients of size small: {sizes} voxels")
