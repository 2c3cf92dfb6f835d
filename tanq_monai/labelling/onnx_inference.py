"""The segmenter's inference where torch and MONAI are not installed: its ONNX file, and the same labels."""

import time
from collections.abc import Callable
from pathlib import Path

from tanq_monai import FULL_INSTALLATION
from tanq_monai.deploy.engines import Choices, read_usable
from tanq_monai.deploy.runtime.segmenter import Segmenter
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import check_renewable
from tanq_monai.scans.folder import Listing
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.scans.volume import read_volume
from tanq_monai.segmentation.inference.ensemble import Ensemble


class OnnxInference:
    """Of the face of :class:`tanq_monai.labelling.inference.Inference`.

    Args:
        model: the file, see :func:`onnx_file_of`.
        folder: gets the labels.
        ears_first: keep two cochleae as far apart as patients' are and one VS near them, and nothing else.
        threads: that compute; None: one for every core.

    Raises:
        InputError: when the file or a choice cannot be used.
    """

    def __init__(self, model: Path, folder: Path, ears_first: bool = True, threads: int | None = None) -> None:
        properties = read_usable(model)
        self._folder, self._contrast = folder, properties["modality"]
        self._segmenter = Segmenter(model, properties, ears_first, Choices(threads=threads), "cpu")

    def run(self, listing: Listing, on_result: Callable[[Path, float], None]) -> list[InputError | InputErrors]:
        """Label the cases of a listing, scan after scan; any number of times.

        Args:
            listing: of scans.
            on_result: is called with the path of every scan, and the seconds that it took, when its label is written.

        Returns:
            The problems of the listing, and the mistakes in scans that could not be read.

        Raises:
            InputErrors: for labels in the folder that no run wrote.
            InputError: when a label cannot be written.
        """
        labels = [self._folder / f"{case['case']}{LABEL_ENDING}" for case in listing.cases]
        check_renewable(labels)
        read = Listing(problems=[*listing.problems])
        for case, label in zip(listing.cases, labels, strict=True):
            image, began = Path(case["image"]), time.perf_counter()
            try:
                scan = read_volume(image, self._contrast)
            except InputError as mistake:
                read.note(mistake)
                continue
            scan.grid.save(self._segmenter(scan)[0], label)  # what is missing is among the remarks of its measures
            on_result(image, time.perf_counter() - began)
        return read.problems


def onnx_file_of(ensemble: Ensemble) -> Path:
    """The ONNX file of an ensemble of one model.

    Raises:
        InputError: when there are several models, or steps after them; when the file is missing or of another model.
    """
    (first, *others), where = ensemble.members, ensemble.members[0]
    if others or ensemble.postprocessing:
        problem = "belongs to an ensemble, which an installation without torch does not run"
        raise InputError(where, problem, f"give --ensemble-dir {where}, the model alone, or {FULL_INSTALLATION}")
    model = first / "model.onnx"
    properties = read_usable(model)
    if properties.get("classes") != {"background": 0, **ensemble.structures}:
        raise InputError(model, "labels other structures than dataset.json beside it", "export it again")
    return model
