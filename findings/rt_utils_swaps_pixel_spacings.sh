#!/usr/bin/env bash
# rt-utils swaps the two pixel spacings of a series: contours of an RT Structure Set come back elsewhere, or not at all.
#
# DICOM's Pixel Spacing gives the distance of rows first, that of columns second. rt-utils 1.2.7 steps by the first one
# along a row, and by the second one from row to row; where both are equal nobody sees it. Seen here: a valid series of
# 64 x 64 pixels of 2 x 1 mm (rows 2 mm apart), a contour round rows 10 to 19 and columns 30 to 49: the mask that comes
# back has rows 20 to 38 and columns 15 to 24. With pixels of 1 x 1 mm the same contour comes back where it is.
# Fails when the mask of the series with unequal spacings is the right one, or that with equal ones is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "rt-utils==1.2.7" "pydicom==2.4.4" "numpy==1.26.4" "opencv-python-headless==4.10.0.84"
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from rt_utils import RTStructBuilder

SIZE, ROWS, COLUMNS = 64, (10, 19), (30, 49)
MR, SET = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.481.3"


def file(kind, uid, study, series, modality):
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = kind
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = uid
    header.StudyInstanceUID, header.SeriesInstanceUID, header.Modality = study, series, modality
    header.is_little_endian, header.is_implicit_VR = True, False
    return header


def mask_of(root, spacing):
    """First and last row and column of the contour's mask, for a series of these spacings of rows and columns, mm."""
    root.mkdir()
    study, series, frame = (generate_uid() for _ in range(3))
    uids = [generate_uid() for _ in range(3)]
    for k, uid in enumerate(uids):
        image = file(MR, uid, study, series, "MR")
        image.FrameOfReferenceUID, image.InstanceNumber = frame, k + 1
        image.ImageOrientationPatient, image.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 3 * k]
        image.PixelSpacing, image.SliceThickness = list(spacing), 3
        image.Rows = image.Columns = SIZE
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation = 15, 0
        image.PixelData = np.zeros((SIZE, SIZE), np.uint16).tobytes()
        image.save_as(root / f"{k}.dcm", write_like_original=False)
    corners = [(ROWS[a], COLUMNS[b]) for a, b in ((0, 0), (0, 1), (1, 1), (1, 0))]
    contour, of_image, roi, place, referenced = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
    of_image.ReferencedSOPClassUID, of_image.ReferencedSOPInstanceUID = MR, uids[1]
    contour.ContourImageSequence, contour.ContourGeometricType = [of_image], "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(corners)
    contour.ContourData = [v for row, column in corners for v in (column * spacing[1], row * spacing[0], 3)]
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 1, "piece", frame
    place.ReferencedROINumber, place.ContourSequence = 1, [contour]
    of_series, of_study = Dataset(), Dataset()
    of_series.SeriesInstanceUID, of_series.ContourImageSequence = series, []
    for uid in uids:
        one = Dataset()
        one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = MR, uid
        of_series.ContourImageSequence.append(one)
    of_study.ReferencedSOPClassUID, of_study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", study
    of_study.RTReferencedSeriesSequence = [of_series]
    referenced.FrameOfReferenceUID, referenced.RTReferencedStudySequence = frame, [of_study]
    structures = file(SET, generate_uid(), study, generate_uid(), "RTSTRUCT")
    structures.ReferencedFrameOfReferenceSequence = [referenced]
    structures.StructureSetROISequence, structures.ROIContourSequence = [roi], [place]
    structures.RTROIObservationsSequence = []
    structures.save_as(root.with_suffix(".dcm"), write_like_original=False)
    opened = RTStructBuilder.create_from(dicom_series_path=str(root), rt_struct_path=str(root.with_suffix(".dcm")))
    rows, columns, _ = np.nonzero(opened.get_roi_mask_by_name("piece"))
    return (int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max()))


equal = mask_of(Path(sys.argv[1]) / "equal", (1, 1))
unequal = mask_of(Path(sys.argv[1]) / "unequal", (2, 1))
print(f"rt-utils {version('rt-utils')}: spacings 1 and 1 mm: rows, columns {equal}; 2 and 1 mm: {unequal}")
assert equal == (ROWS, COLUMNS), "the mask of equal spacings is another one now"
assert unequal == ((20, 38), (15, 24)), f"the mask of unequal spacings is another one now: {unequal}"
print("as described: the spacings of rows and columns are swapped")
PYTHON
