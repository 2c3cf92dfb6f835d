"""The network of a bundle as an ONNX file, written only if ONNX Runtime then does what torch does.

Properties of the file (``metadata_props``, every value JSON), by which a runtime without MONAI preprocesses a scan:

* both: ``task``, ``name``, ``version`` (the bundle's), ``weights`` (digest of what it is made of), ``modality``,
  ``classes`` (names and values), ``intended_use``, ``spacing`` (mm: of the plan, [z,] y, x; or of the translator's
  pixels), ``normalization``; where the weights lie in ``model.pt`` beside it, ``weights_file`` (SHA-256 of that file);
* segmenter: ``patch_size``, ``transpose`` (of z, y, x), ``interpolation`` (spline orders in and out);
* translator: ``pixels``, ``slab_mm``, ``styles``, ``structures`` (names and values of labels, as a config has them).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tanq_monai.deploy.bundle_network import WEIGHTS, config_of, read_network
from tanq_monai.deploy.engine_network import DIGEST, EngineNetwork
from tanq_monai.deploy.engines import (
    ONNX_RUNTIME,
    SEGMENTER_2D,
    SEGMENTER_3D,
    TRANSLATOR,
    WEIGHTS_FILE,
    Choices,
    open_engine,
    read_properties,
)
from tanq_monai.deploy.graph_generator import GraphGenerator
from tanq_monai.deploy.onnx import Signature, write_onnx
from tanq_monai.deploy.runtime.run import SEGMENTATION, TRANSLATION
from tanq_monai.errors import InputError
from tanq_monai.files import check_output_file, replacing, sha256_of
from tanq_monai.networks.generator import TanqGenerator
from tanq_monai.phantom import Case, scan_case
from tanq_monai.segmentation.inference.inferer import PlanInferer
from tanq_monai.segmentation.plan.plans import (
    mirror_axes_from_plans,
    patch_size_from_plans,
    read_structures,
    space_from_plans,
    strides_from_plans,
)
from tanq_monai.segmentation.plan.resampling import resample
from tanq_monai.segmentation.plan.space import crop_and_normalize
from tanq_monai.structures import OTHERS, Structures
from tanq_monai.translation.intensity import PERCENTILE, scale_to_unit_range
from tanq_monai.translation.model_choices import read_choices
from tanq_monai.translation.regions import to_regions
from tanq_monai.translation.slice_grid import plan_slices
from tanq_monai.weights import digest

LARGEST_DIFFERENCE = 1e-3  # of logits, which are of the order of 10; and of slices in [-1, 1]
LEAST_AGREEMENT = 0.9999  # of voxels
GREY = 1 / 255  # translations that differ by less than a level of grey agree


@dataclass(frozen=True)
class Parity:
    """How ONNX Runtime's results differ from torch's on a virtual patient.

    Attributes:
        largest_difference: of any value that the network gives: logits, or slices in [-1, 1].
        agreement: share of voxels with the same label after the sliding window; of a translation, share of pixels that
            differ by less than one of 255 levels of grey.
    """

    largest_difference: float
    agreement: float

    def __str__(self) -> str:
        return f"largest difference from torch {self.largest_difference:.1e}, agreement {self.agreement:.6f} of voxels"


@dataclass(frozen=True)
class Export:
    """What becomes a file, and how it is compared with what it is made of.

    Attributes:
        network: what is written.
        kind: of it, for the engines.
        signature: of it.
        properties: of the file, before JSON.
        outputs: results on a virtual patient, of a network called as the original; and the agreement of two of them.
    """

    network: nn.Module
    kind: str
    signature: Signature
    properties: Mapping[str, Any]
    outputs: Callable[[nn.Module], Tensor]
    agreement: Callable[[Tensor, Tensor], float]


def export_onnx(bundle: str | Path, output: str | Path | None = None) -> Parity:
    """Write the network of ``configs/inference.yaml`` with the weights of ``models/model.pt`` as an ONNX file.

    Any batch, and any size along the named axes (of multiples of the network's stride). Before it takes its place it
    is run on a virtual patient beside torch. Beside ``model.pt`` the file has no weights of its own: it says where they
    lie in ``model.pt``. Anywhere else it holds them.

    Args:
        bundle: folder of ``tanq_translation`` or ``vs_cochlea_seg``, or of a bundle made of either.
        output: the file; None: ``models/model.onnx`` of the bundle.

    Raises:
        InputError: when there is no such bundle, weights are missing, its network is none of ours, the file does not do
            what torch does, or would replace one that is no export.
    """
    config_of(bundle)  # before a folder is made
    path = check_output_file(Path(bundle) / "models" / "model.onnx" if output is None else output)
    if path.exists():
        _check_is_ours(path)
    with replacing(path) as temporary:
        network, made = write_unchecked(bundle, temporary)
        parity = _compare(made, network, temporary)
        if parity.largest_difference > LARGEST_DIFFERENCE or parity.agreement < LEAST_AGREEMENT:
            raise InputError(path, f"would not do what torch does: {parity}", "use the bundle itself")
    return parity


def _check_is_ours(path: Path) -> None:
    """Raise unless ``path`` is an earlier export, which may be replaced."""
    try:
        read_properties(path)
    except InputError as error:
        raise InputError(path, "is there already, and no export of a bundle", "give another name") from error


def write_unchecked(bundle: str | Path, path: Path) -> tuple[nn.Module, Export]:
    """As :func:`export_onnx`, whatever the file then does; the network, and what is compared."""
    folder = Path(bundle)
    network = read_network(folder)
    metadata = json.loads((folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    made = _translator(network, folder) if isinstance(network, TanqGenerator) else _segmenter(network, folder)
    common = {name: metadata[name] for name in ("name", "version", "intended_use")}
    common[DIGEST] = digest(network)
    weights = folder / WEIGHTS
    beside = weights if path.resolve().parent == weights.resolve().parent else None
    if beside is not None:
        common[WEIGHTS_FILE] = sha256_of(beside)
    properties = {name: json.dumps(value) for name, value in (common | dict(made.properties)).items()}
    write_onnx(made.network, path, made.signature, properties, beside)
    return network, made


def _compare(made: Export, network: nn.Module, path: Path) -> Parity:
    engine = open_engine(path, made.kind, Choices(ONNX_RUNTIME), "cpu")
    with torch.no_grad():
        expected, found = (made.outputs(each) for each in (network, EngineNetwork(engine, made.kind)))
    return Parity(float((found - expected).abs().max()), made.agreement(found, expected))


def _segmenter(network: nn.Module, folder: Path) -> Export:
    plans, dataset = (folder / "models" / name for name in ("plans.json", "dataset.json"))
    space, window, strides = space_from_plans(plans), patch_size_from_plans(plans), strides_from_plans(plans)
    mirror = mirror_axes_from_plans(plans, "left_right")
    classes = {"background": 0, **read_structures(dataset)}
    scan, affine, _ = _virtual_patient("hrT2")
    crop, placement = crop_and_normalize(scan, affine, space)
    target = space.target_spacing(placement.spacing)
    image = resample(torch.from_numpy(crop)[None], placement.new_shape(space), placement.spacing, target, space.image)
    return Export(
        network,
        SEGMENTER_2D if len(window) == 2 else SEGMENTER_3D,
        Signature(
            inputs={"image": torch.zeros(2, 1, *(2 * stride for stride in strides))},
            output="logits",
            channels=len(classes),
            axes=("depth", "height", "width")[-len(window) :],
            strides=strides,
        ),
        {
            "task": SEGMENTATION,
            "modality": "hrT2",
            "classes": classes,
            "spacing": space.spacing,
            "normalization": {"scheme": "z-score of the non-zero box", "nonzero_only": space.nonzero_only},
            "patch_size": window,
            "transpose": space.transpose,
            "orientation": space.orientation,
            "mirror_axes": mirror,
            "interpolation": {"image": asdict(space.image), "logits": asdict(space.logits)},
        },
        lambda each: PlanInferer(window, mirror_axes=mirror)(image[None], each),
        lambda one, other: float((one.argmax(dim=1) == other.argmax(dim=1)).double().mean()),
    )


def _translator(generator: TanqGenerator, folder: Path) -> Export:
    choices = read_choices(folder / WEIGHTS)
    scan, affine, label = _virtual_patient("ceT1")
    grid = plan_slices(scan, affine, choices["pixels"], choices["pixel_mm"], label, choices["slab_mm"])
    regions = to_regions(grid.to_slices(label, mode="nearest"))
    slices = torch.from_numpy(np.stack([scale_to_unit_range(grid.to_slices(scan)), regions], axis=1))
    styles = torch.arange(len(slices)) % len(choices["styles"])
    return Export(
        GraphGenerator(generator),
        TRANSLATOR,
        Signature(
            inputs={"image": torch.zeros(2, 2, 32, 48), "style": torch.zeros(2, dtype=torch.long)},
            output="translation",
            channels=1,
            axes=("height", "width"),
            strides=(4, 4),
        ),
        {
            "task": TRANSLATION,
            "modality": "ceT1",
            "classes": {OTHERS: 0, **Structures(choices["structures"]).regions().numbers},
            "structures": choices["structures"],
            "spacing": choices["pixel_mm"],
            "normalization": {
                "scheme": "0 to the percentile of positive values becomes -1 to 1",
                "percentile": PERCENTILE,
            },
            "pixels": choices["pixels"],
            "slab_mm": choices["slab_mm"],
            "styles": choices["styles"],
        },
        lambda each: torch.cat([each(s[None], n[None]) for s, n in zip(slices, styles, strict=True)]),
        lambda one, other: float(((one - other).abs() < 2 * GREY).double().mean()),
    )


def _virtual_patient(contrast: Literal["ceT1", "hrT2"]) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.uint8]]:
    """Voxels, voxel-to-mm matrix and label of a scan."""
    scans = scan_case(Case("source" if contrast == "ceT1" else "test", 0), "tiny", seed=0)
    return scans.images[contrast], scans.grid.affine, scans.label
