"""One scan in, one NIfTI file out."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.deploy.engines import AUTO, TRANSLATOR, Choices, Engine, open_engine, read_usable
from tanq_monai.deploy.runtime.segmenter import Segmenter
from tanq_monai.deploy.runtime.translation import translate
from tanq_monai.errors import InputError
from tanq_monai.files import check_output_file, check_renewable
from tanq_monai.precision import asked
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import ENDINGS, stem
from tanq_monai.scans.volume import Volume, read_volume
from tanq_monai.structures import STRUCTURES, Structures

_LOGGER = logging.getLogger(__name__)
SEGMENTATION, TRANSLATION = "segmentation", "translation"


def run(
    model: str | Path,
    image: str | Path,
    output: str | Path,
    label: str | Path | None = None,
    style: str | None = None,
    structures: Structures | None = None,
    ears_first: bool = True,
    provider: str = "auto",
    engine: str = AUTO,
    threads: int | None = None,
    amp: bool | str = AUTO,
) -> None:
    """Segment or translate a scan, whichever the file is for; the result lies on the grid of the scan.

    Args:
        model: file of ``python -m tanq_monai export-onnx``.
        image: NIfTI file, or folder of one DICOM series (which wants pydicom): hrT2 to segment, ceT1 to translate.
        output: NIfTI file, there completely or not at all: labels, uint8; or pseudo-hrT2, float32 in [0, 1].
        label: of a translation: the structures of the scan, a NIfTI file on its grid.
        style: of a translation: the look of hrT2; may be left out where the file knows one.
        structures: names and values of ``label``; None: as in the training.
        ears_first: of a segmentation: only what can be two cochleae and a VS near them is kept.
        provider: of ONNX Runtime: cpu, cuda, tensorrt, or auto (cuda where it is there).
        engine: onnxruntime, openvino, or auto: the faster of those that are installed.
        threads: that compute; None: one for every core.
        amp: bfloat16, which the processor must have; auto: where it has, the engine too, and labels stay the same.

    Raises:
        InputError: for files or choices that cannot be used.
    """
    image, output = Path(image), Path(output)
    if not output.name.endswith(ENDINGS) or not stem(output):
        raise InputError(output, "is no name of a NIfTI file", "let it end in .nii.gz")
    check_output_file(output, model, image, label)
    check_renewable([output])
    properties = read_usable(model)
    task, contrast = properties["task"], properties["modality"]
    if (label is None) == (task == TRANSLATION):
        remedy = "give --label" if task == TRANSLATION else "leave --label out"
        raise InputError(model, f"is for {task}", remedy)
    if style is not None and task == SEGMENTATION:
        raise InputError(model, f"is for {task}", "leave --style out")
    if structures not in (None, STRUCTURES) and task == SEGMENTATION:
        raise InputError(model, f"is for {task}, and names its structures itself", "leave --structures out")
    choices = Choices(engine, threads, asked(amp))
    result_of: Callable[[Volume], tuple[NDArray[Any], str]]
    if label is None:
        result_of = Segmenter(model, properties, ears_first, choices, provider)
    else:
        network = open_engine(model, TRANSLATOR, choices, provider)
        structures = structures or Structures(properties.get("structures", STRUCTURES))
        result_of = partial(_translation, network, properties, label, style, structures)
    scan = read_volume(image, contrast)
    result, doubt = result_of(scan)
    if doubt:
        _LOGGER.warning("%s: %s", image.name, doubt)
    scan.grid.save(result, output)


def _translation(
    network: Engine,
    properties: Mapping[str, Any],
    label: str | Path,
    style: str | None,
    structures: Structures,
    scan: Volume,
) -> tuple[NDArray[np.float32], str]:
    """What becomes of a scan, and no doubt about it."""
    labels = read_labels(label, structures.values(), scan.grid).labels
    return translate(network, properties, scan.voxels, scan.affine, labels, style, structures), ""
