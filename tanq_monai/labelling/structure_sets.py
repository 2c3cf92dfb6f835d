"""The RT Structure Set beside the label of a DICOM series."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tanq_monai.dicom_results.regions import regions_of
from tanq_monai.dicom_results.structure_set import check_referable, write_structure_set
from tanq_monai.errors import InputError
from tanq_monai.labelling.labelled import Labelled
from tanq_monai.scans.dicom import slices_of
from tanq_monai.scans.gathering import GatheredScan
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import STRUCTURE_SET_ENDING, is_nifti
from tanq_monai.structures import Structures


def structure_set_paths(scans: Iterable[GatheredScan], folder: Path) -> list[Path]:
    """The files that the series among the scans get."""
    return [folder / f"{scan.case}{STRUCTURE_SET_ENDING}" for scan in scans if not is_nifti(scan.place)]


def with_structure_set(one: Labelled, series: Path, structures: Structures) -> Labelled:
    """Write it, where there is something to draw and to refer to; else that of an earlier run is taken away.

    Args:
        one: the labelled scan.
        series: folder of its slices, and nothing else.
        structures: names and label values.
    """
    path = one.label.with_name(f"{one.case}{STRUCTURE_SET_ENDING}")
    found, slices = read_labels(one.label, structures.values()), slices_of(series)
    regions = regions_of(found.labels, found.affine, structures)
    try:
        check_referable(slices)
    except InputError as mistake:
        path.unlink(missing_ok=True)
        return replace(one, remarks=(*one.remarks, f"no RT Structure Set, for a slice {mistake.problem}"))
    if not any(region.found for region in regions):
        path.unlink(missing_ok=True)
        return one
    write_structure_set(path, regions, slices)
    return replace(one, structure_set=path)
