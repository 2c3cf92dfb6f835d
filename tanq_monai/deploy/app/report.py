"""The report of one segmented series: JSON for machines, one HTML page for people."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tanq_monai import RESEARCH_ONLY
from tanq_monai.anatomy.findings import find
from tanq_monai.anatomy.koos import Koos, estimate_koos
from tanq_monai.files import replacing, write_json, write_text
from tanq_monai.report.axial import turned_to_lps
from tanq_monai.report.contours import colours_of
from tanq_monai.report.drawing import MARKS
from tanq_monai.report.measures import measures_of
from tanq_monai.report.page import render_page
from tanq_monai.report.stack import SCALE_MM, make_stack
from tanq_monai.structures import STRUCTURES

SEGMENTATION, STRUCTURE_SET, MEASUREMENTS = "segmentation.dcm", "structures.dcm", "measurements.dcm"
_TOLD = ("PatientID", "StudyInstanceUID", "StudyDate", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription")


def describe(
    image: NDArray[Any],
    labels: NDArray[np.uint8],
    affine: NDArray[np.float64],
    header: Dataset,
    chosen_by: str,
    model: str,
) -> dict[str, Any]:
    """What report.json holds.

    Args:
        image: (I, J, K), the series.
        labels: (I, J, K): 0 background, 1 VS, 2 cochlea.
        affine: (4, 4), voxel index to RAS, mm.
        header: of a slice of the series.
        chosen_by: how the series was chosen.
        model: name and version.
    """
    series = {keyword: str(header.get(keyword, "")) for keyword in _TOLD}
    findings = estimate_koos(labels, image, affine).added_to(find(labels, affine))
    was_found = [one["found"] for one in (findings["VS"], *findings["cochlea"].values())]
    return {
        "warning": RESEARCH_ONLY,
        "model": model,
        "series": series | {"chosen_by": chosen_by},
        "segmentation": SEGMENTATION,
        "structure_set": STRUCTURE_SET if labels.any() else None,
        "measurements": MEASUREMENTS if any(was_found) else None,
        **findings,
    }


def write_report(
    folder: Path,
    image: NDArray[Any],
    labels: NDArray[np.uint8],
    affine: NDArray[np.float64],
    description: Mapping[str, Any],
) -> None:
    """Write report.json and report.html, which has every structure in three planes.

    Args:
        folder: gets both.
        image: (I, J, K), the series.
        labels: (I, J, K).
        affine: (4, 4), voxel index to RAS, mm.
        description: see :func:`describe`.
    """
    write_json(dict(description), folder / "report.json")
    scan, found = (turned_to_lps(nib.Nifti1Image(array, affine)) for array in (image.astype(np.float32), labels))
    stack = make_stack(scan, found, None, STRUCTURES)
    slices = {part.z: part for part in stack.slices}
    values = {
        "measures": measures_of(description),
        "koos": str(Koos.of(description)),
        "places": [(view, slices[view.z]) for view in stack.views],
        "depth": stack.depth,
        "colours": colours_of(STRUCTURES),
        "marks": MARKS,
        "scale_mm": SCALE_MM,
    }
    template = files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    page = render_page(template, dict(description) | values)
    with replacing(folder / "report.html") as temporary:
        write_text(page, temporary)
