"""DICOM tags of a synthetic series that was made from a real one."""

from collections.abc import Sequence
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from tanq_monai import __version__

_KEPT = (  # patient, study, frame of reference, what the scanner was
    *("SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID"),
    *("StudyDescription", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "PatientPosition", "MagneticFieldStrength"),
)
_EMPTY = (  # must be there, may be empty
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator", "EchoTime", "EchoTrainLength"),
    *("RepetitionTime", "ScanOptions"),
)


def synthetic_tags(source: Dataset, model: str) -> Dataset:
    """What all slices of a synthetic hrT2 series share: a new series, study and frame of reference of ``source``.

    It has no sequence: ScanningSequence is research mode, times are empty. No rule takes it for a scan.

    Args:
        source: header of a slice of the ceT1 series.
        model: name and version.
    """
    tags = Dataset()
    for keyword in _KEPT:
        if keyword in source:
            tags[keyword] = source[keyword]
    for keyword in _EMPTY:
        if keyword not in tags:
            setattr(tags, keyword, "")
    now = datetime.now()
    tags.SeriesDate = tags.ContentDate = now.strftime("%Y%m%d")
    tags.SeriesTime = tags.ContentTime = now.strftime("%H%M%S")
    tags.Modality, tags.SeriesInstanceUID = "MR", generate_uid(prefix=None)
    tags.SeriesNumber = 1000 + int(source.get("SeriesNumber") or 0)
    tags.SeriesDescription = "Synthetic hrT2 from ceT1, research use only"
    tags.BodyPartExamined = "HEAD"
    tags.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    tags.ImageComments = "Synthetic image. Research use only, not for diagnosis or treatment."
    tags.DerivationDescription = (
        f"Synthetic: pseudo-hrT2 translated from ceT1 by the network {model}. Research use only, not for diagnosis or "
        "treatment. Outside the translated slab the image is 0."
    )
    tags.ContentQualification, tags.BurnedInAnnotation = "RESEARCH", "NO"
    tags.ScanningSequence, tags.SequenceVariant, tags.MRAcquisitionType = "RM", "NONE", "3D"
    tags.Manufacturer, tags.ManufacturerModelName, tags.SoftwareVersions = "tanq-monai", model, __version__
    tags.ContributingEquipmentSequence = Items([_scanner(source)])
    return tags


def source_tags(headers: Sequence[Dataset]) -> list[Dataset]:
    """For every slice, from which slice it was made."""
    return [_source(header) for header in headers]


def _source(header: Dataset) -> Dataset:
    reference, tags = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    reference.PurposeOfReferenceCodeSequence = Items([_item(codes.DCM.SourceImageForImageProcessingOperation)])
    tags.SourceImageSequence = Items([reference])
    return tags


def _scanner(source: Dataset) -> Dataset:
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = Items([_item(codes.DCM.AcquisitionEquipment)])
    equipment.Manufacturer = source.get("Manufacturer") or "unknown"
    if source.get("ManufacturerModelName"):
        equipment.ManufacturerModelName = source.ManufacturerModelName
    return equipment


def _item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
