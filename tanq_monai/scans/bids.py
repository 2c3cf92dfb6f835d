"""A BIDS data set: its T2-weighted scans, of whom and of which day they are, and what is told of their contrast.

``sub-01/[ses-2/]anat/sub-01[_ses-2][_acq-ciss]_T2w.nii.gz`` below a folder with ``dataset_description.json``. What
side-cars and tables say is handed on as the DICOM header that it once was, so that the same rules apply.
"""

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tanq_monai.errors import InputError
from tanq_monai.scans.naming import ENDING, is_nifti, stem, suffix_of

if TYPE_CHECKING:
    from pydicom import Dataset

DESCRIPTION = "dataset_description.json"
T2W, DSEG = "T2w", "dseg"  # suffixes of scans, and of label maps
RAW = "raw"  # what a derivative calls the data set that it was made of
_LABEL_NAME = f"_desc-tanq_{DSEG}"
_MAGNITUDE = "mag"
_NUMBERS = {"EchoTime": 1000, "RepetitionTime": 1000, "InversionTime": 1000, "SliceThickness": 1, "FlipAngle": 1}
"""What a number of a side-car is taken times to be DICOM's: seconds become ms."""

_TEXTS = ("Modality", "MRAcquisitionType", "ImageType", "SeriesDescription", "AngioFlag")
_CODES = ("ScanningSequence", "SequenceVariant")  # of which converters join several, as GR_IR
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def dataset_of(path: str | Path) -> Path | None:
    """The data set that a file or folder is, or is a subject's of; None for others."""
    path = Path(os.path.abspath(path))
    below = [path, *path.parents]
    for number, folder in enumerate(below):
        if is_dataset(folder):
            return folder if number == 0 or below[number - 1].name.startswith("sub-") else None
    return None


def is_dataset(folder: Path) -> bool:
    """Whether a folder has the description that makes it one of BIDS."""
    return (folder / DESCRIPTION).is_file()


def t2w_images(folder: Path) -> list[Path]:
    """The T2-weighted scans in a data set, or in the folder of a subject or session; no phase, no real part.

    Folders of derivatives and sources in a data set are not searched.
    """
    tops = sorted(folder.glob("sub-*")) if is_dataset(folder) else [folder]
    found = sorted(path for top in tops for path in top.rglob(f"*_{T2W}.nii*"))
    images = [path for path in found if is_nifti(path) and path.parent.name == "anat" and suffix_of(path) == T2W]
    return [path for path in images if entities_of(path).get("part", _MAGNITUDE) == _MAGNITUDE]


def entities_of(path: Path) -> dict[str, str]:
    """``{"sub": "01", "acq": "ciss"}`` of ``sub-01_acq-ciss_T2w.nii.gz``."""
    parts = (part.partition("-") for part in stem(path).split("_"))
    return {name: value for name, dash, value in parts if dash}


def acq_of(path: Path) -> str:
    """``ciss`` of ``sub-01_acq-ciss_T2w.nii.gz``: a name of the acquisition; empty where a file has none."""
    return entities_of(path).get("acq", "")


def case_in(path: Path) -> str:
    """What a scan or its label is called: ``sub-01_ses-2_acq-ciss``."""
    return stem(path).removesuffix(f"_{T2W}").removesuffix(_LABEL_NAME)


def label_path(image: Path, dataset: Path, derivative: Path) -> Path:
    """Where a derivative has the label of a scan of a data set."""
    folder = Path(os.path.abspath(image)).parent.relative_to(dataset)
    return derivative / folder / f"{case_in(image)}{_LABEL_NAME}{ENDING}"


def header_of(path: Path) -> "Dataset | None":
    """What a data set says of a scan, by DICOM's names and units; None outside of data sets.

    PatientID is the subject's label; AcquisitionDate is that of ``scans.tsv``, else of ``sessions.tsv``. A label of a
    derivative is of the scan that its side-car names.

    Raises:
        InputError: when a side-car or table cannot be read.
    """
    path = Path(os.path.abspath(path))
    dataset = dataset_of(path)
    if dataset is None:
        return None
    if suffix_of(path) == DSEG:
        return _header_of_source(path, dataset)
    from pydicom import Dataset
    from pydicom.config import disable_value_validation

    told = _sidecar(path, dataset)
    values = {name: times * told[name] for name, times in _NUMBERS.items() if isinstance(told.get(name), int | float)}
    values |= {name: words for name in _TEXTS if (words := _words(told.get(name)))}
    values |= {name: [code for word in _words(told.get(name)) for code in re.split(r"[_\\]", word)] for name in _CODES}
    values["PatientID"] = f"sub-{entities_of(path).get('sub', '')}"
    values["AcquisitionDate"] = _day(path, dataset).replace("-", "")
    header = Dataset()
    with disable_value_validation():
        for name, value in values.items():
            setattr(header, name, value)
    return header


def _header_of_source(label: Path, derivative: Path) -> "Dataset | None":
    links = _read_json(derivative / DESCRIPTION).get("DatasetLinks")
    sources = _sidecar(label, derivative).get("Sources")
    if not isinstance(links, Mapping) or not isinstance(links.get(RAW), str) or not isinstance(sources, list):
        return None
    names = (str(source).removeprefix(f"bids:{RAW}:") for source in sources)
    images = (derivative / links[RAW] / name for name in names if name.endswith(ENDING))
    return next((header_of(image) for image in images if suffix_of(image) == T2W and image.exists()), None)


def _sidecar(path: Path, dataset: Path) -> dict[str, Any]:
    """What the JSON files of an image say: its own, and those above that are of more images than it."""
    told: dict[str, Any] = {}
    own, suffix = set(entities_of(path).items()), suffix_of(path)
    for folder in _folders(path, dataset):
        for file in sorted(folder.glob(f"*{suffix}.json"), key=lambda file: len(file.name)):
            if file.stem.rpartition("_")[2] == suffix and set(entities_of(file.with_suffix("")).items()) <= own:
                told |= _read_json(file)
    return told


def _folders(path: Path, dataset: Path) -> Iterator[Path]:
    """From the data set down to the folder of a file."""
    yield dataset
    parts = path.parent.relative_to(dataset).parts
    yield from (dataset.joinpath(*parts[:number]) for number in range(1, len(parts) + 1))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as JSON ({error})", "mend it") from error
    if not isinstance(content, dict):
        raise InputError(path, "is no JSON object", "mend it")
    return content


def _day(path: Path, dataset: Path) -> str:
    """2024-05-31 as a table of the data set has it; empty where none does."""
    entities = entities_of(path)
    subject, session = f"sub-{entities.get('sub', '')}", f"ses-{entities.get('ses', '')}"
    places = {dataset / subject / session: f"{subject}_{session}_scans.tsv", dataset / subject: f"{subject}_scans.tsv"}
    asked = [
        (folder / name, "filename", path.relative_to(folder).as_posix())
        for folder, name in places.items()
        if folder in path.parents
    ]
    asked.append((dataset / subject / f"{subject}_sessions.tsv", "session_id", session))
    days = (_DAY.match(_cell(table, column, value)) for table, column, value in asked if table.is_file())
    return next((day.group() for day in days if day), "")


def _cell(table: Path, column: str, value: str) -> str:
    """The ``acq_time`` of the row of a table that has ``value`` in a column."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if row.get(column) == value]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(table, f"cannot be read ({error})", "mend it") from error
    return (rows[0].get("acq_time") or "") if rows else ""


def _words(value: Any) -> list[str]:
    return [word for word in (value if isinstance(value, list) else [value]) if isinstance(word, str)]
