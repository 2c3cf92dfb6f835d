"""A segmenter's ONNX file, opened once, for any number of scans."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.deploy.engines import SEGMENTER_2D, SEGMENTER_3D, Choices, open_engine
from tanq_monai.deploy.runtime.segmentation import segment
from tanq_monai.errors import InputError
from tanq_monai.scans.volume import Volume
from tanq_monai.structures import Structures

Judge = Callable[[NDArray[Any], NDArray[np.float64]], tuple[NDArray[Any], str]]


class Segmenter:
    """Labels scans as the bundle does.

    Args:
        model: file of ``python -m tanq_monai export-onnx``.
        properties: of it, see :func:`~tanq_monai.deploy.engines.onnx_file.read_usable`.
        ears_first: only what can be two cochleae and a VS near them is kept.
        choices: of the engine.
        provider: of ONNX Runtime.

    Raises:
        InputError: for a file or choices that cannot be used.
    """

    def __init__(
        self,
        model: str | Path,
        properties: Mapping[str, Any],
        ears_first: bool,
        choices: Choices,
        provider: str = "auto",
    ) -> None:
        self._properties = properties
        self._judge = _judge_of(structures_of(properties)) if ears_first else None
        kind = SEGMENTER_2D if len(properties["patch_size"]) == 2 else SEGMENTER_3D
        self._network = open_engine(model, kind, choices, provider)

    def __call__(self, scan: Volume) -> tuple[NDArray[np.uint8], str]:
        """Labels (i, j, k) on the grid of the scan, and in words which ear was not found."""
        label = segment(self._network, self._properties, scan.voxels, scan.affine)
        return (label, "") if self._judge is None else self._judge(label, scan.affine)


def structures_of(properties: Mapping[str, Any]) -> Structures:
    """The classes of a segmenter's file but the background."""
    return Structures({name: value for name, value in properties["classes"].items() if value})


def _judge_of(structures: Structures) -> Judge:
    """What :class:`tanq_monai.anatomy.ears_first.EarsFirst` does."""
    try:
        from tanq_monai.anatomy.ears_first import EarsFirst  # which an import of this module need not wait for
    except ImportError as error:
        problem = "what is published of anatomy is written in YAML, and PyYAML is not installed"
        raise InputError("--ears-first", problem, "install PyYAML, or give --ears-first false") from error
    return EarsFirst(structures)
