"""Scans in, labels and what is told of them out; underneath runs ``vs_cochlea_seg``, its inference or its ONNX file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tanq_monai
from tanq_monai.errors import InputErrors
from tanq_monai.files import check_output_dir, check_renewable
from tanq_monai.labelling.labelled import TABLE, Labelled, Results, write_table
from tanq_monai.labelling.labeller import CONTRAST, LINKS, SUFFIX, Labeller, lines_of, read_models
from tanq_monai.labelling.links import link_scans, unlink_scan
from tanq_monai.labelling.structure_sets import structure_set_paths
from tanq_monai.report import write_report
from tanq_monai.scans.gathering import gather_scans
from tanq_monai.scans.naming import case_of
from tanq_monai.structures import Structures

PAGE = "segmentations.html"


@dataclass(kw_only=True)
class Segmentation(Results):
    """What :func:`segment_scans` did.

    Attributes:
        command: of MONAI's, that gives the same labels.
        labelled: the scans, in the order in which they were done.
    """

    command: str
    labelled: list[Labelled] = field(default_factory=list)

    @property
    def page(self) -> Path:
        """To look through the labels."""
        return self.folder / PAGE

    def described(self) -> dict[str, Any]:
        """For machines: paths, ml, mm and words."""
        return {
            "warning": tanq_monai.RESEARCH_ONLY,
            "version": tanq_monai.__version__,
            "command": self.command,
            "table": str(self.table),
            "page": str(self.page),
            "scans": [one.described() for one in self.labelled],
            "problems": self.problems,
            "passed_over": self.passed_over,
        }


def segment_scans(
    places: Sequence[str | Path],
    output_dir: str | Path,
    tell: Callable[[str], None],
    ensemble_dir: str | Path | None = None,
    ears_first: bool = True,
    acq: str | None = None,
    **choices: Any,
) -> Segmentation:
    """Label every hrT2 scan in files and folders, measure the labels, and write a page to look through them.

    Args:
        places: see :func:`tanq_monai.scans.gathering.gather_scans`.
        output_dir: gets ``{case}_Label.nii.gz`` on the grids of the scans, ``{case}_RTSTRUCT.dcm`` of DICOM series,
            the table and the page; and ``linked_scans``, the folder that MONAI's command is given.
        tell: is called with every line for a user.
        ensemble_dir: a trained model, or several with their ``ensemble.json``. Default: the shipped one.
        ears_first: keep two cochleae as far apart as patients' are and one VS near them, and nothing else.
        acq: of BIDS data sets, the label of the acquisition that is taken; None: any.
        **choices: further ones of ``ensemble.yaml``, such as ``threads``; None leaves the config's own.

    Raises:
        InputErrors: when no scan can be used.
        InputError: when the models or the folder cannot be used.
    """
    read_models(ensemble_dir)  # told before any scan is looked for
    folder = check_output_dir(output_dir).resolve()
    found = gather_scans(places, CONTRAST, leave_out=folder, acq=acq)
    if not found.scans:
        raise InputErrors([*found.passed_over, *found.problems])
    check_renewable([folder / TABLE, folder / PAGE, *structure_set_paths(found.scans, folder)])
    links = link_scans(found.scans, folder / LINKS, SUFFIX)
    labeller = Labeller(folder, ensemble_dir, ears_first, **choices)
    done = Segmentation(folder=folder, command=labeller.command)
    done.problems, done.passed_over = lines_of(found.problems), lines_of(found.passed_over)
    tell(done.command)
    for line in done.passed_over:
        tell(f"passed over: {line}")

    def on_labelled(one: Labelled) -> None:
        done.labelled.append(one)
        tell(_progress(done.labelled, len(found.scans)))

    done.problems += labeller.label(links, on_labelled)
    if not done.labelled:
        raise InputErrors("\n".join(done.problems))
    write_table(done.labelled, done.table)
    _write_page(done, links, labeller.structures)
    return done


def _write_page(done: Segmentation, links: Mapping[Path, Path], structures: Structures) -> None:
    cases = {one.case for one in done.labelled}
    for link in [link for link in links if case_of(link) not in cases]:
        unlink_scan(link)  # so that the page tells of it once
    folder, title = done.folder, f"{' and '.join(structures)}, {done.folder.name}"
    write_report(folder / LINKS, folder, done.page, structures=structures, title=title, problems=done.problems)


def _progress(labelled: Sequence[Labelled], scans: int) -> str:
    """The last of the labelled scans, how many there are, and how long the others may take."""
    mean = sum(one.seconds for one in labelled) / len(labelled)
    left = mean * (scans - len(labelled))
    seconds = f"{labelled[-1].seconds:.0f} s" + (f", about {left:.0f} s left" if left else "")
    return f"[{len(labelled)}/{scans}] {labelled[-1]} ({seconds})"
