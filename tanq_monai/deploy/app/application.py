"""The applications: which operator hands what to which."""

import json
import re
from pathlib import Path

from holoscan.conditions import CountCondition
from monai.deploy.core import AppContext, Application, IOType
from monai.deploy.core.domain import Image
from monai.deploy.operators import (
    DICOMDataLoaderOperator,
    DICOMSegmentationWriterOperator,
    DICOMSeriesSelectorOperator,
    IOMapping,
    ModelInfo,
    MonaiBundleInferenceOperator,
)
from monai.deploy.operators.dicom_seg_writer_operator import SegmentDescription
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from tanq_monai.deploy.app.bundle import Bundle
from tanq_monai.deploy.app.operators import ReportOperator, SeriesVolumeOperator, TranslationOperator
from tanq_monai.deploy.app.selection import Series

SERIES, STUDIES = "study_selected_series_list", "dicom_study_list"
COCHLEA = Code("80169004", "SCT", "Cochlear structure")


class _OnOneSeries(Application):  # type: ignore[misc]
    """Loads one series, already chosen; the parent of both applications.

    Args:
        context: MONAI Deploy's.
        series: chosen.
        source: folder that holds its files alone.
        bundle: that is run.
        output: folder that gets the results.
    """

    def __init__(self, context: AppContext, series: Series, source: Path, bundle: Bundle, output: Path) -> None:
        self.context, self.series, self.source, self.bundle, self.output = context, series, source, bundle, output
        super().__init__()

    def _selector(self) -> DICOMSeriesSelectorOperator:
        once = CountCondition(self, 1)  # without it the loader starts again and again
        loader = DICOMDataLoaderOperator(self, once, input_folder=self.source, name="loader")
        uid = str(self.series.header.SeriesInstanceUID)
        conditions = {"SeriesInstanceUID": f"^{re.escape(uid)}$"}
        rules = json.dumps({"selections": [{"name": self.series.chosen_by, "conditions": conditions}]})
        selector = DICOMSeriesSelectorOperator(self, rules=rules, name="selector")
        self.add_flow(loader, selector, {(STUDIES, STUDIES)})
        return selector


class SegmentationApplication(_OnOneSeries):
    """hrT2 series -> DICOM SEG of VS and cochlea, and a report."""

    def compose(self) -> None:
        """Loader -> selector -> volume -> bundle -> SEG writer and report."""
        self.context.models = None  # of the path to a bundle it makes a model that cannot be called
        selector = self._selector()
        volume = SeriesVolumeOperator(self, name="volume")
        inference = MonaiBundleInferenceOperator(
            self,
            app_context=self.context,
            input_mapping=[IOMapping("image", Image, IOType.IN_MEMORY)],
            output_mapping=[IOMapping("pred", Image, IOType.IN_MEMORY)],
            bundle_path=self.bundle.root,
            name="bundle",
        )
        writer = DICOMSegmentationWriterOperator(
            self,
            segment_descriptions=_segments(self.bundle),
            output_folder=self.output,
            model_info=ModelInfo("tanq-monai", self.bundle.name, self.bundle.version),
            custom_tags={
                "SeriesDescription": "VS and cochlea, research use only",
                "ContentLabel": "VS_AND_COCHLEA",
                "ContentDescription": "Research use only, not for diagnosis or treatment",
            },
            name="writer",
        )
        report = ReportOperator(self, series=self.series, bundle=self.bundle, folder=self.output, name="report")
        self.add_flow(selector, volume, {(SERIES, SERIES)})
        self.add_flow(volume, inference, {("image", "image")})
        self.add_flow(selector, writer, {(SERIES, SERIES)})
        self.add_flow(inference, writer, {("pred", "seg_image")})
        self.add_flow(volume, report, {("image", "image")})
        self.add_flow(inference, report, {("pred", "labels")})


class TranslationApplication(_OnOneSeries):
    """ceT1 series and its label -> synthetic hrT2 series.

    Args:
        context, series, source, bundle, output: as :class:`_OnOneSeries`.
        label: NIfTI map on the grid of the series.
        style: look of hrT2; None where the bundle knows one.
    """

    def __init__(
        self,
        context: AppContext,
        series: Series,
        source: Path,
        bundle: Bundle,
        output: Path,
        label: Path,
        style: str | None,
    ) -> None:
        self.label, self.style = label, style
        super().__init__(context, series, source, bundle, output)

    def compose(self) -> None:
        """Loader -> selector -> translation."""
        selector = self._selector()
        translation = TranslationOperator(
            self,
            series=self.series,
            source=self.source,
            label=self.label,
            style=self.style,
            bundle=self.bundle,
            folder=self.output / "series",
            name="translation",
        )
        self.add_flow(selector, translation, {(SERIES, SERIES)})


def _segments(bundle: Bundle) -> list[SegmentDescription]:
    """Segment 1, VS, and 2, cochlea of both sides."""
    algorithm = {"algorithm_name": f"{bundle.name} (research use only)", "algorithm_version": bundle.version}
    return [
        SegmentDescription(
            segment_label="Vestibular schwannoma",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            anatomic_regions=[codes.SCT.VestibulocochlearNerve],
            tracking_id="VS",
            **algorithm,
        ),
        SegmentDescription(
            segment_label="Cochlea",
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=COCHLEA,
            tracking_id="cochlea",
            **algorithm,
        ),
    ]
