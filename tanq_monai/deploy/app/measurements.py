"""A structured report (DICOM SR, TID 1500) of what was measured of the segments. Needs highdicom, as the SEG does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
from highdicom import sr
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from tanq_monai import RESEARCH_ONLY, __version__
from tanq_monai.anatomy.koos import Koos
from tanq_monai.deploy.app.bundle import Bundle
from tanq_monai.deploy.app.selection import Series
from tanq_monai.dicom_results.regions import SIDES, Region
from tanq_monai.dicom_results.study import MANUFACTURER, new_series

_MRI = Code("113091000", "SCT", "Magnetic resonance imaging")
_MILLILITRE = Code("mL", "UCUM", "milliliter")
_LONG_AXIS = Code("103339001", "SCT", "Long Axis")


def write_measurements(
    path: Path,
    regions: Sequence[Region],
    segmentation: hd.seg.Segmentation,
    series: Series,
    bundle: Bundle,
    findings: Mapping[str, Any],
) -> None:
    """Write a Comprehensive 3D SR: of every region that was measured its volume, ml; of the VS its axial diameter, mm.

    The figures are those of report.json, each beside a reference to its segment. The Koos grade, doubts, and that it is
    for research only, are comments. The report is neither final nor verified.

    Args:
        path: of the file.
        regions: those of the segments, in their order.
        segmentation: that was written of them.
        series: that was segmented.
        bundle: that segmented it.
        findings: what report.json holds; one structure at least was found.
    """
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[MANUFACTURER, bundle.title]),
        name=bundle.title,
        manufacturer_name=MANUFACTURER,
        model_name=bundle.title,
    )
    observer = sr.ObserverContext(codes.DCM.Device, device)
    groups = [
        _group(number, region, segmentation, bundle, findings)
        for number, region in enumerate(regions, start=1)
        if _figures(region, findings)["found"]
    ]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_MRI,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    koos = str(Koos.of(findings))
    remarks = [f"VS: {koos}.", *findings["doubts"]] if koos else findings["doubts"]
    for comment in (f"{RESEARCH_ONLY} Measured by a network, not checked by a person.", *remarks):
        report[0].ContentSequence.append(_comment(comment))
    tags = new_series(series.header, "SR", "VS and cochlea, research use only", bundle.title)
    made = sr.Comprehensive3DSR(
        evidence=[segmentation, *series.headers],
        content=report,
        series_instance_uid=tags.SeriesInstanceUID,
        series_number=tags.SeriesNumber,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        manufacturer_model_name=bundle.title,
        software_versions=__version__,
        device_serial_number="-",
        series_description=tags.SeriesDescription,
    )
    made.SeriesDate, made.SeriesTime = tags.SeriesDate, tags.SeriesTime
    made.save_as(path)


def _group(
    number: int, region: Region, segmentation: hd.seg.Segmentation, bundle: Bundle, findings: Mapping[str, Any]
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    figures = _figures(region, findings)
    measured = [sr.Measurement(codes.SCT.Volume, figures["volume_ml"], _MILLILITRE)]
    if "axial_diameter_mm" in figures:
        measured.append(sr.Measurement(_LONG_AXIS, figures["axial_diameter_mm"], codes.UCUM.Millimeter))
    algorithm = sr.AlgorithmIdentification(name=f"{bundle.name} (research use only)", version=bundle.version)
    side = None if region.side is None else SIDES[region.side]
    segment = segmentation.SegmentSequence[number - 1]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(segment.TrackingUID, segment.TrackingID),
        referenced_segment=sr.ReferencedSegment.from_segmentation(segmentation, number),
        finding_category=region.category,
        finding_type=region.kind,
        finding_sites=[sr.FindingSite(region.place, laterality=side)],
        algorithm_id=algorithm,
        measurements=measured,
    )


def _figures(region: Region, findings: Mapping[str, Any]) -> Mapping[str, Any]:
    return findings["cochlea"][region.side] if region.is_organ else findings["VS"]  # type: ignore[no-any-return]


def _comment(text: str) -> sr.TextContentItem:
    plain = text.replace("³", "3")  # which the character set of the source need not have
    return sr.TextContentItem(codes.DCM.Comment, plain, sr.RelationshipTypeValues.CONTAINS)
