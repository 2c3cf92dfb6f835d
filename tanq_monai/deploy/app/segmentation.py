"""A DICOM SEG of the regions of a series. Needs highdicom, which comes with MONAI Deploy."""

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from tanq_monai import __version__
from tanq_monai.deploy.app.bundle import Bundle
from tanq_monai.deploy.app.selection import Series
from tanq_monai.dicom_results.regions import SIDES, Region
from tanq_monai.dicom_results.study import MANUFACTURER, code_item, new_series


def write_segmentation(path: Path, regions: Sequence[Region], series: Series, bundle: Bundle) -> hd.seg.Segmentation:
    """Write a binary SEG on the slices of a series: a segment for every region, empty where it was not found.

    Args:
        path: of the file.
        regions: on the grid of the series, (i, j, k).
        series: that was segmented.
        bundle: that segmented it.

    Returns:
        what was written.
    """
    numbers = np.zeros(regions[0].mask.shape, np.uint8)
    for number, region in enumerate(regions, start=1):
        numbers[region.mask] = number
    tags = new_series(series.header, "SEG", "VS and cochlea, research use only", bundle.title)
    made = hd.seg.Segmentation(
        source_images=series.headers,
        pixel_array=np.ascontiguousarray(numbers.T),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(number, region, bundle) for number, region in enumerate(regions, start=1)],
        series_instance_uid=tags.SeriesInstanceUID,
        series_number=tags.SeriesNumber,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=bundle.title,
        software_versions=__version__,
        device_serial_number="-",
        content_label="VS_AND_COCHLEA",
        content_description="Research use only, not for diagnosis or treatment",
    )
    made.SeriesDate, made.SeriesTime = tags.SeriesDate, tags.SeriesTime
    made.SeriesDescription = tags.SeriesDescription
    made.save_as(path)
    return made


def _segment(number: int, region: Region, bundle: Bundle) -> hd.seg.SegmentDescription:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=f"{bundle.name} (research use only)",
        family=codes.DCM.ArtificialIntelligence,
        version=bundle.version,
    )
    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=region.name,
        segmented_property_category=region.category,
        segmented_property_type=region.kind,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=generate_uid(prefix=None),
        tracking_id=region.name,
        anatomic_regions=[region.place],
        display_color=hd.color.CIELabColor.from_string(region.colour),
    )
    if region.side is not None:
        side = code_item(SIDES[region.side])
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
        segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [side]
    return segment
