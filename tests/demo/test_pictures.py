import io

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure
from small_head import SHAPE, patient, stored_as

from tanq_monai.demo.panels import show
from tanq_monai.demo.pictures import segmentation_figure
from tanq_monai.report.axial import Window, turned_to_lps


def _pixels(png):
    return matplotlib.image.imread(io.BytesIO(png))


def test_a_panel_has_equal_mm_across_and_down_and_puts_the_first_rows_in_front():
    scan = turned_to_lps(patient()[0])
    axes = Figure().add_subplot()
    show(axes, scan, 2, Window((60.0, 62.5), (40.0, 20.0)), limits=(0.0, 1.0), scale_mm=10)
    assert axes.get_aspect() == 1.0
    assert axes.get_xlim() == (40.0, 80.0)
    assert axes.get_ylim() == (72.5, 52.5)
    np.testing.assert_array_equal(axes.images[0].get_array(), scan.values[:, :, 2].T)
    assert list(axes.images[0].get_extent()) == [0, 120.0, 125.0, 0]
    sides = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert sides["R"] < 0.5 < sides["L"]


@pytest.mark.parametrize("codes", ["RAS", "SPL"])
def test_pictures_do_not_depend_on_the_storage_order(codes):
    scan, label = patient()
    other_scan, other_label = stored_as(scan, codes), stored_as(label, codes)
    np.testing.assert_array_equal(
        _pixels(segmentation_figure(scan, label, {"a": label})),
        _pixels(segmentation_figure(other_scan, other_label, {"a": other_label})),
    )


def test_segmentation_of_other_shape_is_an_error():
    scan, label = patient()
    smaller = nib.Nifti1Image(np.array(label.dataobj)[1:], label.affine)
    with pytest.raises(ValueError, match="one shape"):
        segmentation_figure(scan, label, {"TANQ": smaller})


def test_prediction_that_differs_from_the_truth_changes_the_picture():
    scan, label = patient()
    empty = nib.Nifti1Image(np.zeros(SHAPE, dtype=np.uint8), label.affine)
    same, missed = (_pixels(segmentation_figure(scan, label, {"TANQ": found})) for found in (label, empty))
    third = same.shape[1] // 3
    np.testing.assert_array_equal(same[: -same.shape[0] // 2, :third], missed[: -same.shape[0] // 2, :third])
    assert (same[:, -third:] != missed[:, -third:]).any()
