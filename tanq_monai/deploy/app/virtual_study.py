"""DICOM studies of virtual patients, with the tags by which series are told apart."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tanq_monai import __version__
from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.errors import InputError
from tanq_monai.files import filling
from tanq_monai.phantom.scanner.sequences import (
    LONDON_CISS,
    LONDON_FLASH,
    LONDON_MPRAGE,
    LONDON_RESTORE,
    TILBURG_FFE,
    TILBURG_TSE,
    Protocol,
)
from tanq_monai.scans.naming import case_of
from tanq_monai.scans.volume import read_volume

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (LONDON_FLASH, LONDON_MPRAGE, TILBURG_FFE, LONDON_CISS, LONDON_RESTORE, TILBURG_TSE)
}
_TYPES = {  # ScanningSequence and SequenceVariant
    "spoiled": ("GR", "SP"),
    "inversion_recovery": (["GR", "IR"], ["SP", "MP"]),
    "balanced": ("GR", "SS"),
    "spin_echo": ("SE", "SK"),
    "spin_echo_restore": ("SE", "SK"),
}


def write_virtual_series(image: str | Path, sequence: str, folder: str | Path) -> None:
    """Write a scan of the phantom as a DICOM series; scans of one patient become series of one study.

    Args:
        image: ``{case}_{ceT1,hrT2}.nii.gz`` of the phantom.
        sequence: name of its protocol, as in the phantom's patients.csv.
        folder: gets IM0001.dcm, ...; new or empty.

    Raises:
        InputError: when the scan cannot be read, or there is no such sequence.
    """
    image = Path(image)
    if sequence not in PROTOCOLS:
        raise InputError(f"--sequence {sequence}", "is none of the phantom's", f"choose one of {', '.join(PROTOCOLS)}")
    scan = read_volume(image)
    with filling(folder) as temporary:
        tags = virtual_tags(case_of(image), PROTOCOLS[sequence])
        write_mr_series(temporary, scan.voxels.astype(np.float64), scan.affine, tags)


def virtual_tags(case: str, protocol: Protocol) -> Dataset:
    """What all slices of a scan share; the same study and frame of reference for all scans of a patient."""
    tags = Dataset()
    tags.PatientName, tags.PatientID = f"{case}^virtual", case
    tags.PatientBirthDate = tags.PatientSex = ""
    tags.StudyInstanceUID, tags.FrameOfReferenceUID = (
        generate_uid(entropy_srcs=["tanq-monai phantom", case, part]) for part in ("study", "frame of reference")
    )
    tags.SeriesInstanceUID = generate_uid(entropy_srcs=["tanq-monai phantom", case, protocol.name])
    tags.StudyDate = tags.StudyTime = tags.AccessionNumber = tags.ReferringPhysicianName = ""
    tags.StudyID, tags.StudyDescription = "1", "Virtual patient, not a real one"
    tags.Modality, tags.SeriesNumber = "MR", 1 + list(PROTOCOLS).index(protocol.name)
    tags.SeriesDescription = tags.ProtocolName = f"{protocol.name} phantom"
    tags.PatientPosition, tags.PositionReferenceIndicator = "HFS", ""
    tags.Manufacturer, tags.ManufacturerModelName, tags.SoftwareVersions = "tanq-monai", "phantom", __version__
    tags.BodyPartExamined = "HEAD"
    tags.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    tags.ScanningSequence, tags.SequenceVariant = _TYPES[protocol.sequence]
    tags.ScanOptions, tags.MRAcquisitionType = "", "3D"
    tags.RepetitionTime, tags.EchoTime, tags.FlipAngle = protocol.tr, protocol.te, protocol.flip_angle
    tags.EchoTrainLength = ""
    if protocol.inversion:
        tags.InversionTime = protocol.inversion.ti
    if protocol.contrast == "ceT1":
        tags.ContrastBolusAgent = "Gadolinium, virtual"
    return tags
