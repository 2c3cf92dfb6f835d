"""Operators of MONAI Deploy where its own do not serve. Thin: what they do is in modules that need no holoscan."""

from pathlib import Path
from typing import Any

import numpy as np
from monai.deploy.core import Fragment, Operator, OperatorSpec
from monai.deploy.operators import DICOMSeriesToVolumeOperator

from tanq_monai.deploy.app.bundle import Bundle
from tanq_monai.deploy.app.measurements import write_measurements
from tanq_monai.deploy.app.report import MEASUREMENTS, SEGMENTATION, STRUCTURE_SET, describe, write_report
from tanq_monai.deploy.app.segmentation import write_segmentation
from tanq_monai.deploy.app.selection import Series
from tanq_monai.deploy.app.translation import translate_series
from tanq_monai.dicom_results.regions import regions_of
from tanq_monai.dicom_results.structure_set import structure_set
from tanq_monai.scans.dicom import affine_of, in_order


class SeriesVolumeOperator(DICOMSeriesToVolumeOperator):  # type: ignore[misc]
    """A series as the bundle's own reader has it: its order of slices, pixels that may be no squares.

    MONAI Deploy's operator multiplies the direction of the rows with the distance between them, not with that between
    pixels, and has an order of its own.
    """

    def prepare_series(self, series: Any) -> None:
        """Sort the slices of a ``DICOMSeries`` and set its geometry."""
        instances = {id(one.get_native_sop_instance()): one for one in series._sop_instances}
        headers = [one.get_native_sop_instance() for one in series._sop_instances]
        slices = in_order([(Path(str(header.SOPInstanceUID)), header) for header in headers], Path("the series"))
        series._sop_instances = [instances[id(one.header)] for one in slices]
        affine = affine_of(slices)
        series.nifti_affine_transform = affine
        series.dicom_affine_transform = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        step = series.dicom_affine_transform[:3, 2]
        series.depth_pixel_spacing = float(np.linalg.norm(step))
        series.depth_direction_cosine = (step / series.depth_pixel_spacing).tolist()


class ResultsOperator(Operator):  # type: ignore[misc]
    """Writes what is told of a segmented series: SEG, RT Structure Set, SR, report.json and report.html.

    Args:
        fragment: the application.
        series: that was segmented.
        bundle: that segmented it.
        folder: gets the files.
        **kwargs: name of the operator.
    """

    def __init__(self, fragment: Fragment, *, series: Series, bundle: Bundle, folder: Path, **kwargs: Any) -> None:
        self.series, self.bundle, self.folder = series, bundle, folder
        super().__init__(fragment, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Two inputs of (z, y, x): the image and its labels."""
        spec.input("image")
        spec.input("labels")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Write."""
        image, labels = op_input.receive("image"), op_input.receive("labels")
        affine = image.metadata()["nifti_affine_transform"]
        voxels, classes = image.asnumpy().T, labels.asnumpy().T
        regions = regions_of(classes, affine)
        segmentation = write_segmentation(self.folder / SEGMENTATION, regions, self.series, self.bundle)
        if any(region.found for region in regions):
            contours = structure_set(regions, self.series.slices)
            contours.save_as(self.folder / STRUCTURE_SET, enforce_file_format=True)
        description = describe(voxels, classes, affine, self.series.header, self.series.chosen_by, self.bundle.title)
        if description["measurements"] is not None:
            path = self.folder / MEASUREMENTS
            write_measurements(path, regions, segmentation, self.series, self.bundle, description)
        write_report(self.folder, voxels, classes, affine, description)


class TranslationOperator(Operator):  # type: ignore[misc]
    """Writes the synthetic hrT2 series of the selected ceT1 series.

    Args:
        fragment: the application.
        series: the ceT1 series.
        source: folder that holds its files alone.
        label: NIfTI map on its grid.
        style: look of hrT2; None where the bundle knows one.
        bundle: that translates.
        folder: gets the series.
        **kwargs: name of the operator.
    """

    def __init__(
        self,
        fragment: Fragment,
        *,
        series: Series,
        source: Path,
        label: Path,
        style: str | None,
        bundle: Bundle,
        folder: Path,
        **kwargs: Any,
    ) -> None:
        self.series, self.source, self.label, self.style = series, source, label, style
        self.bundle, self.folder = bundle, folder
        super().__init__(fragment, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """One input, the selected series."""
        spec.input("study_selected_series_list")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Translate and write."""
        op_input.receive("study_selected_series_list")
        translate_series(self.series, self.source, self.label, self.bundle, self.folder, self.style)
