"""Models, loaded once, that label scans: the bundle's inference, what is measured of its labels, RT Structure Sets."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import sha256_of
from tanq_monai.labelling.inference import Inference
from tanq_monai.labelling.labelled import Labelled, measure
from tanq_monai.labelling.structure_sets import with_structure_set
from tanq_monai.scans.folder import Listing
from tanq_monai.scans.naming import LABEL_ENDING, TARGET_DOMAIN, case_of
from tanq_monai.segmentation.inference.ensemble import read_ensemble
from tanq_monai.steps import BUNDLES, SEGMENTER, bundle_step

CONFIG = "ensemble"  # which runs one model as well
CONTRAST, SUFFIX = "hrT2", TARGET_DOMAIN[0]
LINKS = "linked_scans"


class Labeller:
    """What labels the scans of a folder of results.

    Attributes:
        command: of MONAI's, that gives the same labels.
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
        models = models_in(ensemble_dir)
        self.folder, self.ears_first = folder, ears_first
        self.structures = read_ensemble(models).structures
        given = {"dataset_dir": folder / LINKS, "output_dir": folder, "ensemble_dir": models, "ears_first": ears_first}
        given |= {name: value for name, value in choices.items() if value is not None}
        step = bundle_step("segment", SEGMENTER, CONFIG, given)
        self.command = f"cd {shlex.quote(str(step.folder))} && {step.command}"
        self._choices = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
        self._inference: Inference | None = None

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
            one = measure(case, links[link], label, self.structures, self.ears_first, seconds)
            one = with_structure_set(one, link, self.structures) if link.is_dir() else one
            on_labelled(replace(one, sha256=sha256_of(*(sorted(link.iterdir()) if link.is_dir() else [link]))))

        if self._inference is None:
            self._inference = Inference(BUNDLES / SEGMENTER, CONFIG, self._choices)
        problems = self._inference.run(listing, on_result)
        return [_as_named(line, links) for line in lines_of(problems)]


def models_in(ensemble_dir: str | Path | None) -> Path:
    """The folder of the models, by default the shipped ones."""
    return Path(ensemble_dir or BUNDLES / SEGMENTER / "models").resolve()


def lines_of(problems: Sequence[InputError | InputErrors]) -> list[str]:
    """Each once."""
    return list(dict.fromkeys(line for problem in problems for line in str(problem).splitlines()))


def _as_named(line: str, links: Mapping[Path, Path]) -> str:
    """A line about a link as one about the scan that it leads to."""
    for link, place in links.items():
        if line.startswith((f"{link}:", f"{link}{os.sep}")):
            return f"{place}{line.removeprefix(str(link))}"
    return line
