"""Models, loaded once, that label scans: the bundle's inference, what is measured of its labels, RT Structure Sets.

Where MONAI is not installed, the ONNX file beside the weights does what the bundle's inference does.
"""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tanq_monai.choices.files import check_choices
from tanq_monai.deploy.engines.choice import ONNX_RUNTIME, OPENVINO, SEGMENTER_2D, Choices, choose_engine, is_installed
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import sha256_of
from tanq_monai.labelling.labelled import Labelled, measure
from tanq_monai.labelling.onnx_inference import OnnxInference, onnx_file_of
from tanq_monai.labelling.structure_sets import with_structure_set
from tanq_monai.scans.folder import Listing
from tanq_monai.scans.naming import LABEL_ENDING, TARGET_DOMAIN, case_of
from tanq_monai.scans.volume import read_volume
from tanq_monai.segmentation.inference.ensemble import Ensemble, read_ensemble
from tanq_monai.steps import BUNDLES, SEGMENTER, bundle_step

if TYPE_CHECKING:
    from tanq_monai.labelling.inference import Inference

CONFIG = "ensemble"  # which runs one model as well
CONTRAST, SUFFIX = "hrT2", TARGET_DOMAIN[0]
LINKS = "linked_scans"


class Labeller:
    """What labels the scans of a folder of results.

    Attributes:
        command: of MONAI's, that gives the same labels; without MONAI that of the runtime, for one scan.
        structures: names and label values.

    Args:
        folder: gets ``{case}_Label.nii.gz`` on the grids of the scans, ``{case}_RTSTRUCT.dcm`` of DICOM series; and
            ``linked_scans``, the folder that MONAI's command is given.
        ensemble_dir: a trained model, or several with their ``ensemble.json``. Default: the shipped one.
        ears_first: keep two cochleae as far apart as patients' are and one VS near them, and nothing else.
        **choices: further ones of ``ensemble.yaml``, such as ``threads``; None leaves the config's own.

    Raises:
        InputError: when the models cannot be used.
    """

    def __init__(
        self, folder: Path, ensemble_dir: str | Path | None = None, ears_first: bool = True, **choices: Any
    ) -> None:
        models, self._ensemble = models_in(ensemble_dir), read_models(ensemble_dir)
        self.folder, self.ears_first = folder, ears_first
        self.structures = self._ensemble.structures
        given = {"dataset_dir": folder / LINKS, "output_dir": folder, "ensemble_dir": models, "ears_first": ears_first}
        given |= {name: value for name, value in choices.items() if value is not None}
        self._choices: dict[str, Any] = {
            name: str(value) if isinstance(value, Path) else value for name, value in given.items()
        }
        if has_monai():
            step = bundle_step("segment", SEGMENTER, CONFIG, given)
            self.command = f"cd {shlex.quote(str(step.folder))} && {step.command}"
        else:
            check_choices([BUNDLES / SEGMENTER / "configs" / f"{CONFIG}.yaml"], given)
            self.command = _runtime_command(onnx_file_of(self._ensemble), given)
        self._inference: Inference | OnnxInference | None = None

    def label(self, links: Mapping[Path, Path], on_labelled: Callable[[Labelled], None]) -> list[str]:
        """Label scans, with models that are loaded when the first ones come.

        Args:
            links: to scans, in ``linked_scans``, and where each leads, see :mod:`tanq_monai.labelling.links`.
            on_labelled: is called with every scan when its results are written.

        Returns:
            Lines about scans that could not be read.

        Raises:
            RuntimeError: MONAI's, with an :class:`InputError` in its chain of causes, when models, the folder or a
                label there cannot be used.
            InputError: when a structure set cannot be written.
        """
        listing = Listing()
        for link in sorted(links):
            listing.add(case_of(link), link, CONTRAST, lambda case, image, grid: {})

        def on_result(link: Path, seconds: float) -> None:
            case = case_of(link)
            label = self.folder / f"{case}{LABEL_ENDING}"
            voxels = None if self.structures.roles() is None else read_volume(link).voxels
            one = measure(case, links[link], label, self.structures, self.ears_first, seconds, voxels)
            one = with_structure_set(one, link, self.structures) if link.is_dir() else one
            on_labelled(replace(one, sha256=sha256_of(*(sorted(link.iterdir()) if link.is_dir() else [link]))))

        if self._inference is None:
            self._inference = self._load()
        problems = self._inference.run(listing, on_result)
        return [_as_named(line, links) for line in lines_of(problems)]

    def _load(self) -> "Inference | OnnxInference":
        if not has_monai():
            return OnnxInference(
                onnx_file_of(self._ensemble), self.folder, self.ears_first, self._choices.get("threads")
            )
        from tanq_monai.labelling.inference import Inference  # seconds

        return Inference(BUNDLES / SEGMENTER, CONFIG, self._choices)


def has_monai() -> bool:
    """Whether this is a full installation, or one without torch."""
    return is_installed("monai")


def read_models(ensemble_dir: str | Path | None) -> Ensemble:
    """The models, by default the shipped one, if this installation can run them.

    Raises:
        InputError: when they cannot be used.
    """
    ensemble = read_ensemble(models_in(ensemble_dir))
    if not has_monai():
        choose_engine(Choices(), SEGMENTER_2D, (OPENVINO, ONNX_RUNTIME))  # one of these at least
        onnx_file_of(ensemble)
    return ensemble


def models_in(ensemble_dir: str | Path | None) -> Path:
    """The folder of the models, by default the shipped ones."""
    return Path(ensemble_dir or BUNDLES / SEGMENTER / "models").resolve()


def lines_of(problems: Sequence[InputError | InputErrors]) -> list[str]:
    """Each once."""
    return list(dict.fromkeys(line for problem in problems for line in str(problem).splitlines()))


def _runtime_command(model: Path, given: Mapping[str, Any]) -> str:
    """For a scan and a label that whoever types it fills in."""
    words = ["python", "-m", "tanq_monai.deploy.runtime", "--model", str(model)]
    words += ["--image", "SCAN", "--output", "LABEL"]
    words += [] if given["ears_first"] else ["--ears-first", "false"]
    return shlex.join([*words, *(["--threads", str(given["threads"])] if "threads" in given else [])])


def _as_named(line: str, links: Mapping[Path, Path]) -> str:
    """A line about a link as one about the scan that it leads to."""
    for link, place in links.items():
        if line.startswith((f"{link}:", f"{link}{os.sep}")):
            return f"{place}{line.removeprefix(str(link))}"
    return line
