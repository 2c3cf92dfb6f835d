"""Small files as users have them, good and bad."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from tanq_monai.structures import Structures

LPS = np.diag([-0.5, -0.5, 1.5, 1.0])
SHAPE = (12, 10, 6)
NO_TEXT = os.fsdecode(b"caf\xe9")  # a name that is no UTF-8, as file systems have them
THREE = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})  # crossMoDA 2023


def scan(seed: int = 0) -> np.ndarray:
    """A noisy image, so that it does not shrink when it is zipped."""
    return np.random.default_rng(seed).uniform(1, 100, SHAPE).astype(np.float32)


def structures() -> np.ndarray:
    """A VS and a cochlea, float64 as crossMoDA stores them."""
    labels = np.zeros(SHAPE)
    labels[2:6, 2:6, 1:4] = 1
    labels[8:10, 4:7, 2:4] = 2
    return labels


def three_classes() -> np.ndarray:
    """The same labelled as :data:`THREE`."""
    labels = structures()
    labels[8:10, 4:7, 2:4] = 3
    labels[4:6, 2:6, 1:4] = 2
    return labels


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = LPS) -> Path:
    """Make the folder, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def write_case(folder: Path, case: str = "crossmoda2021_ldn_1", suffix: str = "ceT1") -> tuple[Path, Path]:
    """A good image and its label."""
    image = write_nifti(folder / f"{case}_{suffix}.nii.gz", scan())
    return image, write_nifti(folder / f"{case}_Label.nii.gz", structures())


MPRAGE = {"ScanningSequence": ["GR", "IR"], "RepetitionTime": 1900, "EchoTime": 2.97, "InversionTime": 1100}


def write_series(
    folder: Path, volume: np.ndarray, positions: list[float], series: str | None = None, **tags: object
) -> str:
    """Axial DICOM slices (x, y, slice) of 0.5 mm pixels at ``positions`` mm; returns the UID of the series."""
    folder.mkdir(parents=True, exist_ok=True)
    series, start = series or generate_uid(), len(list(folder.iterdir()))
    for number, position in enumerate(positions, start=start):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{number:03}.dcm"
        header = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        header.SeriesInstanceUID, header.Modality, header.InstanceNumber = series, "MR", number + 1
        header.ImageOrientationPatient, header.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-3, -4, position]
        header.PixelSpacing, header.SliceThickness = [0.5, 0.5], 1.5
        header.Columns, header.Rows = volume.shape[:2]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        for keyword, value in tags.items():
            setattr(header, keyword, value)
        header.PixelData = volume[:, :, number - start].T.astype(np.uint16).tobytes()
        pydicom.dcmwrite(path, header, enforce_file_format=True)
    return str(series)


def write_enhanced(path: Path, volume: np.ndarray, positions: list[float], slopes: list[float], **tags: object) -> None:
    """One enhanced MR file of a volume (x, y, frame); frames lie at ``positions`` mm and have slopes of their own."""
    write_series(path.parent, volume, [0.0], **tags)
    one = next(path.parent.glob("*.dcm"))
    header = pydicom.dcmread(one)
    one.unlink()
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = header.PixelSpacing, 1.5
    plane.ImageOrientationPatient = header.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    frames = []
    for position, slope in zip(positions, slopes, strict=True):
        frame, place, scaling = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-3, -4, position]
        scaling.RescaleSlope, scaling.RescaleIntercept = slope, 1
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [place], [scaling]
        frames.append(frame)
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], frames
    for keyword in ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"):
        delattr(header, keyword)
    header.NumberOfFrames = len(frames)
    header.PixelData = np.ascontiguousarray(volume.transpose(2, 1, 0)).astype(np.uint16).tobytes()
    header.save_as(path, enforce_file_format=True)
