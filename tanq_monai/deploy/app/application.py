"""The applications: which operator hands what to which."""

import json
import re
from pathlib import Path

from holoscan.conditions import CountCondition
from monai.deploy.core import AppContext, Application, IOType
from monai.deploy.core.domain import Image
from monai.deploy.operators import (
    DICOMDataLoaderOperator,
    DICOMSeriesSelectorOperator,
    IOMapping,
    MonaiBundleInferenceOperator,
)

from tanq_monai.deploy.app.bundle import Bundle
from tanq_monai.deploy.app.operators import ResultsOperator, SeriesVolumeOperator, TranslationOperator
from tanq_monai.deploy.app.selection import Series

SERIES, STUDIES = "study_selected_series_list", "dicom_study_list"


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
    """hrT2 series -> DICOM SEG, RT Structure Set and SR of VS and cochleae, and a report."""

    def compose(self) -> None:
        """Loader -> selector -> volume -> bundle -> results."""
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
        results = ResultsOperator(self, series=self.series, bundle=self.bundle, folder=self.output, name="results")
        self.add_flow(selector, volume, {(SERIES, SERIES)})
        self.add_flow(volume, inference, {("image", "image")})
        self.add_flow(volume, results, {("image", "image")})
        self.add_flow(inference, results, {("pred", "labels")})


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
