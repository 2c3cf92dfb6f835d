"""DICOM tags of a synthetic series that was made from a real one."""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes

from tanq_monai.dicom_results.study import code_item, new_series

_KEPT = ("PatientPosition", "MagneticFieldStrength")
_EMPTY = ("EchoTime", "EchoTrainLength", "RepetitionTime", "ScanOptions")  # must be there, may be empty


def synthetic_tags(source: Dataset, model: str) -> Dataset:
    """What all slices of a synthetic hrT2 series share: a new series, study and frame of reference of ``source``.

    It has no sequence: ScanningSequence is research mode, times are empty. No rule takes it for a scan.

    Args:
        source: header of a slice of the ceT1 series.
        model: name and version.
    """
    tags = new_series(source, "MR", "Synthetic hrT2 from ceT1, research use only", model)
    for keyword in _KEPT:
        if keyword in source:
            tags[keyword] = source[keyword]
    for keyword in _EMPTY:
        setattr(tags, keyword, "")
    tags.ContentDate, tags.ContentTime, tags.BodyPartExamined = tags.SeriesDate, tags.SeriesTime, "HEAD"
    tags.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    tags.ImageComments = "Synthetic image. Research use only, not for diagnosis or treatment."
    tags.DerivationDescription = (
        f"Synthetic: pseudo-hrT2 translated from ceT1 by the network {model}. Research use only, not for diagnosis or "
        "treatment. Outside the translated slab the image is 0."
    )
    tags.ContentQualification, tags.BurnedInAnnotation = "RESEARCH", "NO"
    tags.ScanningSequence, tags.SequenceVariant, tags.MRAcquisitionType = "RM", "NONE", "3D"
    tags.ContributingEquipmentSequence = Items([_scanner(source)])
    return tags


def source_tags(headers: Sequence[Dataset]) -> list[Dataset]:
    """For every slice, from which slice it was made."""
    return [_source(header) for header in headers]


def _source(header: Dataset) -> Dataset:
    reference, tags = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    reference.PurposeOfReferenceCodeSequence = Items([code_item(codes.DCM.SourceImageForImageProcessingOperation)])
    tags.SourceImageSequence = Items([reference])
    return tags


def _scanner(source: Dataset) -> Dataset:
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = Items([code_item(codes.DCM.AcquisitionEquipment)])
    equipment.Manufacturer = source.get("Manufacturer") or "unknown"
    if source.get("ManufacturerModelName"):
        equipment.ManufacturerModelName = source.ManufacturerModelName
    return equipment
