import io

import matplotlib.image
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tanq_monai.demo.axial import Window, ears, largest_slices, places, turned_to_lps
from tanq_monai.demo.panels import grey_limits, show
from tanq_monai.demo.pictures import segmentation_figure, training_figure, translation_figure

SHAPE, SPACING = (60, 50, 8), (2.0, 2.5, 4.0)


def _patient(with_structures=True):
    """A small LPS head: scan with noise, a right-sided VS and both cochleae."""
    labels = np.zeros(SHAPE, dtype=np.uint8)
    if with_structures:
        labels[18:25, 20:27, 2:6] = 1
        labels[18:22, 20:24, 1] = 1
        labels[11:14, 18:20, 6] = 2
        labels[46:49, 18:20, 5] = 2
    scan = np.random.default_rng(0).normal(100, 5, SHAPE) + 60 * (labels == 1) + 200 * (labels == 2)
    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    affine[:3, 3] = (60, 62, -16)
    return nib.Nifti1Image(scan, affine), nib.Nifti1Image(labels, affine)


def _stored_as(image, codes):
    target = nib.orientations.axcodes2ornt(codes)
    return image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))


def _pixels(png):
    return matplotlib.image.imread(io.BytesIO(png))


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL", "ILA"])
def test_volume_is_turned_to_lps_whatever_its_storage_order(codes):
    scan, _ = _patient()
    turned = turned_to_lps(_stored_as(scan, codes))
    np.testing.assert_array_equal(turned.values, scan.get_fdata())
    np.testing.assert_allclose(turned.spacing, SPACING)


def test_x_grows_to_the_patients_left_and_y_to_the_back_after_turning_an_oblique_scan():
    angle = 0.3
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    voxels = np.stack(np.meshgrid(*map(np.arange, (6, 7, 5)), indexing="ij"), axis=-1)
    world = voxels @ affine[:3, :3].T
    for axis, sign in ((0, -1), (1, -1), (2, 1)):  # world is RAS
        values = turned_to_lps(nib.Nifti1Image(world[..., axis], affine)).values
        assert (sign * np.diff(values, axis=axis) > 0).all()


def test_largest_slice_of_each_structure_is_found_and_named_once():
    labels = turned_to_lps(_patient()[1])
    assert largest_slices(labels) == {"VS": 2, "cochlea": 5}
    labels.values[..., 5] = 0
    labels.values[:3, :3, 2] = 2
    assert largest_slices(labels) == {"VS": 2}


def test_scan_without_structures_shows_its_middle():
    labels = turned_to_lps(_patient(with_structures=False)[1])
    assert largest_slices(labels) == {"": 4}
    assert ears(labels).centre == (60.0, 62.5)
    assert [(place.name, place.z) for place in places(labels)] == [("no structure", 4)]


def test_both_cochleae_are_two_places_with_centres_in_mm():
    found = {place.name: place for place in places(turned_to_lps(_patient()[1]))}
    assert list(found) == ["VS", "right cochlea", "left cochlea"]
    assert (found["right cochlea"].z, found["left cochlea"].z) == (6, 5)
    assert found["right cochlea"].centre == pytest.approx((12.5 * 2, 19 * 2.5))
    assert found["left cochlea"].centre == pytest.approx((47.5 * 2, 19 * 2.5))


def test_one_cochlea_alone_is_one_place():
    _, label = _patient()
    values = np.array(label.dataobj)
    values[46:49] = 0
    found = places(turned_to_lps(nib.Nifti1Image(values, label.affine)))
    assert [place.name for place in found] == ["VS", "cochlea"]


def test_window_round_the_ears_is_centred_on_the_structures():
    assert ears(turned_to_lps(_patient()[1])).centre == pytest.approx(((11 + 49) / 2 * 2, (18 + 27) / 2 * 2.5))


def test_grey_limits_of_a_window_ignore_what_lies_outside_it():
    scan = turned_to_lps(_patient()[0])
    scan.values[:] = 10.0
    scan.values[20:30, 20:30, 3] = np.arange(100).reshape(10, 10)
    low, high = grey_limits(scan, 3, Window((50.0, 62.5), (20.0, 25.0)))
    assert (low, high) == pytest.approx(np.percentile(np.arange(100), [1, 99.5]))


def test_a_panel_has_equal_mm_across_and_down_and_puts_the_first_rows_in_front():
    scan = turned_to_lps(_patient()[0])
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
    scan, label = _patient()
    other_scan, other_label = _stored_as(scan, codes), _stored_as(label, codes)
    np.testing.assert_array_equal(
        _pixels(segmentation_figure(scan, label, {"a": label})),
        _pixels(segmentation_figure(other_scan, other_label, {"a": other_label})),
    )


@pytest.mark.parametrize("with_structures", [True, False])
@pytest.mark.parametrize("real_is_labelled", [True, False])
def test_translation_is_drawn_with_and_without_structures(with_structures, real_is_labelled):
    scan, label = _patient(with_structures)
    real, real_label = _patient()
    png = translation_figure(scan, scan, label, real, real_label=real_label if real_is_labelled else None)
    height, width, _ = _pixels(png).shape
    assert width > 1000
    assert height > 600


def test_segmentation_of_other_shape_is_an_error():
    scan, label = _patient()
    smaller = nib.Nifti1Image(np.array(label.dataobj)[1:], label.affine)
    with pytest.raises(ValueError, match="one shape"):
        segmentation_figure(scan, label, {"TANQ": smaller})


def test_prediction_that_differs_from_the_truth_changes_the_picture():
    scan, label = _patient()
    empty = nib.Nifti1Image(np.zeros(SHAPE, dtype=np.uint8), label.affine)
    same, missed = (_pixels(segmentation_figure(scan, label, {"TANQ": found})) for found in (label, empty))
    third = same.shape[1] // 3
    np.testing.assert_array_equal(same[: -same.shape[0] // 2, :third], missed[: -same.shape[0] // 2, :third])
    assert (same[:, -third:] != missed[:, -third:]).any()


def test_training_curves_have_a_panel_each():
    table = pd.DataFrame({"adversarial": [1.0, 0.5], "contrastive": [5.0, 4.0]})
    one, two = _pixels(training_figure({"losses": table})), _pixels(training_figure({"a": table, "b": table}))
    assert two.shape[1] == 2 * one.shape[1]
