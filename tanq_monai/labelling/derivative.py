"""A BIDS data set in, a BIDS derivative with its labels out."""

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tanq_monai
from tanq_monai.errors import InputError
from tanq_monai.files import check_output_dir, check_renewable, renewing, write_text
from tanq_monai.labelling.labelled import Labelled
from tanq_monai.labelling.labeller import CONTRAST, read_models
from tanq_monai.labelling.segment import Segmentation, segment_scans
from tanq_monai.report.contours import colours_of
from tanq_monai.scans.bids import DESCRIPTION, DSEG, RAW, dataset_of, label_path
from tanq_monai.scans.gathering import gather_scans
from tanq_monai.structures import Structures

BIDS_VERSION = "1.10.0"
WORK = "sourcedata"  # which validators and readers of BIDS pass over
_README = f"""# Vestibular schwannoma and cochlea

{tanq_monai.RESEARCH_ONLY} Look at every label.

Every `*_{DSEG}.nii.gz` is a label map of the T2-weighted scan that its side-car names in `Sources`, on the grid of
that scan; `{DSEG}.tsv` says what the values mean. The side-cars have volumes in ml, the side of the schwannoma, its
longest line in an axial slice in mm, its Koos grade, estimated, and in words what speaks against the label.
`{WORK}/segmentations.html` is a page to look through the labels of the last run, `{WORK}/volumes.csv` their table.
"""


def segment_dataset(
    places: Sequence[str | Path], output_dir: str | Path, tell: Callable[[str], None], **choices: Any
) -> Segmentation:
    """Label the scans of a BIDS data set as :func:`tanq_monai.labelling.segment.segment_scans`; elsewhere do only that.

    The folder becomes a derivative: a label map with a side-car for every scan, where the data set has the scan;
    ``dataset_description.json``, ``dseg.tsv``, ``dseg.json`` and ``README.md``. Its folder ``sourcedata`` gets what
    ``segment_scans`` writes of other scans.

    Args:
        places: a data set, subjects or sessions of it, or files.
        output_dir: gets the derivative.
        tell: is called with every line for a user.
        **choices: of ``segment_scans``.

    Raises:
        InputErrors: as ``segment_scans``; and when there is something in the folder that no earlier run wrote.
        InputError: as ``segment_scans``; and when the places are of several data sets, or the folder is the data set.
    """
    datasets = {dataset_of(place) for place in places}
    if datasets <= {None}:
        return segment_scans(places, output_dir, tell, **choices)
    if len(datasets) > 1:
        problem = "are not all of one BIDS data set"
        raise InputError(" and ".join(map(str, places)), problem, "give them to commands of their own")
    (dataset,) = filter(None, datasets)
    folder = check_output_dir(output_dir, dataset).resolve()
    structures = read_models(choices.get("ensemble_dir")).structures
    texts = _texts(dataset, folder, structures)
    images = [scan.place for scan in gather_scans(places, CONTRAST, folder, choices.get("acq")).scans]
    labels = [label_path(image, dataset, folder) for image in images]
    check_renewable([*texts, *labels, *map(_sidecar, labels)])
    done = segment_scans(places, folder / WORK, tell, **choices)
    for path, text in texts.items():
        _write(text, path)
    done.labelled = [_in_derivative(one, label_path(one.scan, dataset, folder), dataset) for one in done.labelled]
    return done


def _in_derivative(one: Labelled, path: Path, dataset: Path) -> Labelled:
    """Copy the label to its place, and write its side-car; the label is then that one."""
    told = one.described()
    said = {name: value for name, value in told.items() if name not in ("case", "scan", "label", "seconds")}
    source = Path(os.path.abspath(one.scan)).relative_to(dataset).as_posix()
    sidecar = {
        "Sources": [f"bids:{RAW}:{source}"],
        "SpatialReference": "orig",  # the scan itself
        "Manual": False,
        "Findings": said,
        "Warning": tanq_monai.RESEARCH_ONLY,
    }
    with renewing(path) as temporary:
        shutil.copyfile(one.label, temporary)
    _write(_as_json(sidecar), _sidecar(path))
    return replace(one, label=path)


def _texts(dataset: Path, folder: Path, structures: Structures) -> dict[Path, str]:
    """What the derivative says of itself."""
    description = {
        "Name": "Vestibular schwannoma and cochlea, labelled by tanq-monai",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": "tanq-monai", "Version": tanq_monai.__version__, "Description": tanq_monai.RESEARCH_ONLY}
        ],
        "DatasetLinks": {RAW: Path(os.path.relpath(dataset.resolve(), folder)).as_posix()},
    }
    meaning = {
        "Description": "Vestibular schwannoma and cochlea of both sides on T2-weighted scans",
        "SpatialReference": "orig",
    }
    return {
        folder / DESCRIPTION: _as_json(description),
        folder / "README.md": _README,
        folder / f"{DSEG}.tsv": _look_up(structures),
        folder / f"{DSEG}.json": _as_json(meaning),
    }


def _look_up(structures: Structures) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(("index", "name", "color"))
    colours = colours_of(structures)
    table.writerows((value, name, colours[name]) for name, value in sorted(structures.items(), key=lambda one: one[1]))
    return text.getvalue()


def _sidecar(label: Path) -> Path:
    return label.with_name(f"{label.name.partition('.')[0]}.json")


def _as_json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _write(text: str, path: Path) -> None:
    with renewing(path) as temporary:
        write_text(text, temporary)
