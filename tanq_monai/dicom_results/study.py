"""Of which patient and study a DICOM object is that was made from a series."""

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from tanq_monai import __version__

MANUFACTURER = "tanq-monai"
NUMBERED_FROM = 1000  # our series stand behind those of the scanner
_KEPT = (  # patient, study, frame of reference
    *("SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID"),
    *("StudyDescription", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID"),
    "PositionReferenceIndicator",
)
_EMPTY = (  # must be there, may be empty
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)


def new_series(source: Dataset, modality: str, description: str, model: str = MANUFACTURER) -> Dataset:
    """Patient, study and frame of reference of ``source``, and a new series of ours, of now.

    Args:
        source: header of a slice of the series that something was made from.
        modality: of the new series.
        description: of the new series, 64 letters at most.
        model: what made it, name and version.
    """
    tags = Dataset()
    for keyword in _KEPT:
        if keyword in source:
            tags[keyword] = source[keyword]
    for keyword in _EMPTY:
        if keyword not in tags:
            setattr(tags, keyword, "")
    now = datetime.now()
    tags.SeriesDate = now.strftime("%Y%m%d")
    tags.SeriesTime = now.strftime("%H%M%S")
    tags.Modality, tags.SeriesInstanceUID = modality, generate_uid(prefix=None)
    tags.SeriesNumber = NUMBERED_FROM + int(source.get("SeriesNumber") or 0)
    tags.SeriesDescription = description
    tags.Manufacturer, tags.ManufacturerModelName, tags.SoftwareVersions = MANUFACTURER, model, __version__
    return tags


def code_item(code: Code) -> Dataset:
    """A code as an item of a sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
