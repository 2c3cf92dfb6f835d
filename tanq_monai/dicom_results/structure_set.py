"""An RT Structure Set of the regions of a series: closed contours in mm on its slices."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from tanq_monai import RESEARCH_ONLY
from tanq_monai.dicom_results.regions import ANY, SIDES, Region
from tanq_monai.dicom_results.study import code_item, new_series
from tanq_monai.errors import InputError
from tanq_monai.files import renewing
from tanq_monai.report.contours import polygons
from tanq_monai.scans.dicom_slices import Slice

Ring = NDArray[np.float64]
_STUDY = "1.2.840.10008.3.1.2.3.1"  # the retired class by which structure sets refer to studies
_NEEDED = ("FrameOfReferenceUID", "StudyInstanceUID", "SOPClassUID", "SOPInstanceUID")
_DIGITS = 4  # of mm
_LONGEST = 64  # letters of a title
# Just inside the edges of pixels: readers that round points to pixels then meet those of the region, no neighbours.
_LEVEL = 65 / 128


def write_structure_set(path: Path, regions: Sequence[Region], slices: Sequence[Slice]) -> None:
    """Write the contours of regions on the slices of the series that they were found in.

    A contour runs half-way between voxels inside and outside, so that whoever asks which voxels' middles lie in it gets
    the region back. A part with holes is one contour: a channel without width leads from its edge round each hole.

    Args:
        path: of the file.
        regions: on the grid of the slices, (i, j, k), at least one of them found; others are left out.
        slices: in the order of k.

    Raises:
        InputError: when the series does not say what contours refer to, or as :func:`tanq_monai.files.renewing`.
    """
    written = structure_set(regions, slices)
    with renewing(path) as temporary:
        written.save_as(temporary, enforce_file_format=True)


def structure_set(regions: Sequence[Region], slices: Sequence[Slice]) -> Dataset:
    """What :func:`write_structure_set` writes."""
    check_referable(slices)
    header = slices[0].header
    title = f"{_told(regions)}, research use only"[:_LONGEST]
    made = new_series(header, "RTSTRUCT", title)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian  # explicit ones hold 64 kB of a contour at most
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, generate_uid(prefix=None)
    made.OperatorsName = ""
    made.StructureSetLabel, made.StructureSetName = "RESEARCH_ONLY", title
    made.StructureSetDescription, made.ApprovalStatus = RESEARCH_ONLY, "UNAPPROVED"
    made.StructureSetDate, made.StructureSetTime = made.SeriesDate, made.SeriesTime
    made.ReferencedFrameOfReferenceSequence = [_frame_of_reference(slices)]
    numbered = list(enumerate((region for region in regions if region.found), start=1))
    made.StructureSetROISequence = [_roi(number, region, header) for number, region in numbered]
    made.ROIContourSequence = [_roi_contours(number, region, slices) for number, region in numbered]
    made.RTROIObservationsSequence = [_observation(number, region) for number, region in numbered]
    return made


def check_referable(slices: Sequence[Slice]) -> None:
    """Raise where contours would have nothing to refer to.

    Raises:
        InputError: when a slice lacks a UID.
    """
    for one in slices:
        for keyword in _NEEDED:
            if not one.header.get(keyword):
                raise InputError(one.path, f"has no {keyword}", "export it again, not without its UIDs")


def keyholed(rings: Sequence[Ring]) -> Ring:
    """One closed line (N, 2) round a part and its holes, each reached from the outer ring's nearest corner and back.

    The ways there and back have no area, whatever they cross.

    Args:
        rings: the outer one, then the holes', each (N, 2) with the first point repeated at the end.
    """
    outer, *holes = rings
    ways = []
    for hole in holes:
        apart = np.linalg.norm(hole[:-1, None] - outer[:-1], axis=-1)
        first, corner = np.unravel_index(apart.argmin(), apart.shape)
        ways.append((int(corner), np.roll(hole[:-1], -int(first), axis=0)))
    pieces, done = [], 0
    for corner, hole in sorted(ways, key=lambda way: way[0]):
        pieces += [outer[done : corner + 1], hole, hole[:1], outer[corner : corner + 1]]
        done = corner + 1
    return np.concatenate([*pieces, outer[done:]])


def in_space(line: Ring, one: Slice) -> NDArray[np.float64]:
    """Points (N, 3) in mm, LPS, of a line (N, 2) in mm from the corner of the slice's first pixel."""
    between_rows, between_columns = one.spacing
    from_middle = line - np.array([between_columns, between_rows]) / 2
    points: NDArray[np.float64] = one.position + from_middle @ one.orientation
    return points


def _told(regions: Sequence[Region]) -> str:
    """What the contours are of."""
    others = [region.name for region in regions if region.kind == ANY]
    return " and ".join([*(["VS and cochlea"] if len(others) < len(regions) else []), *others])


def _frame_of_reference(slices: Sequence[Slice]) -> Dataset:
    header = slices[0].header
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = header.SeriesInstanceUID
    series.ContourImageSequence = [_image(one) for one in slices]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = _STUDY, header.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = header.FrameOfReferenceUID, [study]
    return frame


def _image(one: Slice) -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID = one.header.SOPClassUID
    image.ReferencedSOPInstanceUID = one.header.SOPInstanceUID
    if one.frame is not None:
        image.ReferencedFrameNumber = one.frame + 1
    return image


def _roi(number: int, region: Region, header: Dataset) -> Dataset:
    roi = Dataset()
    roi.ROINumber, roi.ROIName = number, region.name
    roi.ReferencedFrameOfReferenceUID = header.FrameOfReferenceUID
    roi.ROIDescription = RESEARCH_ONLY
    roi.ROIGenerationAlgorithm, roi.ROIGenerationDescription = "AUTOMATIC", "tanq-monai, not checked by a person"
    return roi


def _roi_contours(number: int, region: Region, slices: Sequence[Slice]) -> Dataset:
    contours = Dataset()
    contours.ReferencedROINumber = number
    contours.ROIDisplayColor = [int(region.colour[digits : digits + 2], 16) for digits in (1, 3, 5)]
    contours.ContourSequence = list(_contours(region, slices))
    for own, contour in enumerate(contours.ContourSequence, start=1):
        contour.ContourNumber = own
    return contours


def _contours(region: Region, slices: Sequence[Slice]) -> Iterator[Dataset]:
    for k in np.flatnonzero(region.mask.any(axis=(0, 1))).tolist():
        one = slices[k]
        for rings in polygons(region.mask[:, :, k], one.spacing[::-1], _LEVEL):
            points = in_space(keyholed(rings)[:-1], one)
            contour = Dataset()
            contour.ContourImageSequence = [_image(one)]
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [format_number_as_ds(float(mm)) for mm in (points.round(_DIGITS) + 0.0).ravel()]
            yield contour


def _observation(number: int, region: Region) -> Dataset:
    observation, kind = Dataset(), code_item(region.kind)
    if region.side is not None:
        kind.SegmentedPropertyTypeModifierCodeSequence = [code_item(SIDES[region.side])]
    observation.ObservationNumber = observation.ReferencedROINumber = number
    observation.SegmentedPropertyCategoryCodeSequence = [code_item(region.category)]
    observation.RTROIIdentificationCodeSequence = [kind]
    # No GTV: a system for planning would offer it as a target.
    observation.RTROIInterpretedType = "ORGAN" if region.is_organ else ""
    observation.ROIInterpreter = ""
    return observation
