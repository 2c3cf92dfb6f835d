"""A frozen segmenter's view of slices and its loss on them."""

import json
import shutil

import numpy as np
import pytest
import torch
from slice_segmenter import SMALL_MODEL, slice_segmenter
from torch import nn
from torch.nn import functional as F

from tanq_monai.errors import InputError
from tanq_monai.losses.segmentation import dice_and_cross_entropy
from tanq_monai.structures import Structures
from tanq_monai.translation.feedback import SegmenterFeedback, SliceView, feedback_from_folder

SAME = SliceView(pixel_mm=0.5, spacing=(0.5, 0.5), window=(16, 16))


class Segmenter(nn.Module):
    """Two layers with running statistics, which a pass in training mode would change."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1))

    def forward(self, images):
        return self.layers(images)


class Thresholds(nn.Module):
    """A perfect segmenter of images whose classes are as bright as their numbers: below 0.5 background, ..."""

    def forward(self, images):
        brightness = images - images.amin()
        steps = (brightness / brightness.amax() * 2).round()
        return torch.cat([200.0 * (steps == value) for value in range(3)], dim=1)


def slices(count=2, size=16, seed=1):
    images = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    labels = torch.zeros_like(images)
    labels[:, :, 2:8, 3:7], labels[:, :, 10:13, 9:14] = 1, 2
    return images, labels


def test_it_is_the_loss_of_the_segmenter_on_slices_of_mean_0_and_deviation_1():
    images, labels = slices()
    segmenter = Segmenter()
    normalized = np.stack([(i - i.mean()) / i.std() for i in images.numpy()])
    expected = dice_and_cross_entropy(segmenter.eval()(torch.from_numpy(normalized)), labels[:, 0].long())
    torch.testing.assert_close(SegmenterFeedback(segmenter, SAME, weight=3.0)(images, labels), 3 * expected)


def test_a_perfect_segmenter_has_nothing_to_say():
    _, labels = slices()
    assert SegmenterFeedback(Thresholds(), SAME)(labels - 1, labels).tolist() == [0, 0]


def test_the_gradient_reaches_the_slices_and_the_segmenter_stays_as_it_is():
    images, labels = slices()
    segmenter = Segmenter()
    before = {name: value.clone() for name, value in segmenter.state_dict().items()}
    feedback = SegmenterFeedback(segmenter, SAME).train()
    images.requires_grad_()
    feedback(images, labels).mean().backward()
    assert torch.isfinite(images.grad).all()
    assert images.grad.abs().sum(dim=(1, 2, 3)).min() > 1e-5
    assert not any(parameter.requires_grad for parameter in feedback.parameters())
    assert not segmenter.training
    assert all(torch.equal(value, before[name]) for name, value in segmenter.state_dict().items())


def test_the_gradient_is_that_of_the_loss():
    images = slices(count=1, size=6)[0].double()
    view = SliceView(pixel_mm=0.5, spacing=(0.4, 0.6), window=(8, 8))
    normalized = view.images(images.requires_grad_())
    direction = torch.randn(normalized.shape, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    (gradient,) = torch.autograd.grad((normalized * direction).sum(), images)
    step = 1e-6 * torch.randn(images.shape, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    change = ((view.images(images + step) - view.images(images - step)) * direction).sum() / 2
    assert (gradient * step).sum().item() == pytest.approx(change.item(), rel=1e-6)


def test_brightness_and_contrast_of_a_slice_do_not_matter():
    images, labels = slices()
    feedback = SegmenterFeedback(Segmenter(), SAME)
    torch.testing.assert_close(feedback(0.3 * images + 0.2, labels), feedback(images, labels))


def test_slices_do_not_depend_on_each_other():
    images, labels = slices(count=3)
    feedback = SegmenterFeedback(Segmenter(), SliceView(0.5, (0.4, 0.6), (16, 8)))
    apart = torch.cat([feedback(i[None], y[None]) for i, y in zip(images, labels, strict=True)])
    torch.testing.assert_close(feedback(images, labels), apart)


def test_pixels_become_those_of_the_plan_and_labels_stay_on_their_places():
    view = SliceView(pixel_mm=0.5, spacing=(0.25, 1.0), window=(8, 8))
    ramp = torch.linspace(-1, 1, 16).expand(1, 1, 16, 16)
    images = view.images(ramp)
    assert images.shape == (1, 1, 32, 8)
    expected = F.avg_pool2d(ramp, (1, 2))[0, 0, 0]  # halfway between the two that it lies between
    torch.testing.assert_close(images[0, 0, 5], (expected - ramp.mean()) / ramp.std(correction=0))
    _, labels = slices(count=1)
    assert torch.equal(view.labels(labels)[0, ::2, :], view.labels(labels)[0, 1::2, :])
    assert torch.equal(SliceView(0.5, (0.25, 0.5), (8, 8)).labels(labels)[0, ::2], labels[0, 0].long())
    columns = torch.arange(12.0).expand(1, 1, 12, 12)
    assert SliceView(0.5, (1.5, 1.5), (4, 4)).labels(columns)[0, 0].tolist() == [1, 4, 7, 10]  # the middle ones


def test_larger_slices_go_through_windows_and_smaller_ones_are_padded():
    seen = []

    class Watching(Segmenter):
        def forward(self, images):
            seen.append(tuple(images.shape))
            return super().forward(images)

    for size, count in ((24, 4), (10, 1)):
        seen.clear()
        images, labels = slices(count=1, size=size)
        assert torch.isfinite(SegmenterFeedback(Watching(), SAME)(images, labels)).all()
        assert seen == [(1, 1, 16, 16)] * count


def test_classes_of_one_region_add_up(tmp_path):
    class FourClasses(nn.Module):
        def forward(self, images):
            return torch.cat([images, images.sin(), 2 * images, images.cos()], dim=1)

    images, labels = slices()
    p = FourClasses()(SAME.images(images)).softmax(dim=1)
    merged = torch.stack([p[:, 0], p[:, 1] + p[:, 2], p[:, 3]], dim=1)
    expected = dice_and_cross_entropy(merged.log(), labels[:, 0].long())
    torch.testing.assert_close(SegmenterFeedback(FourClasses(), SAME, regions=(0, 1, 1, 2))(images, labels), expected)
    folder = slice_segmenter(
        tmp_path / "model", structures=Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    )
    assert feedback_from_folder(folder, pixel_mm=0.5).classes == [[0], [1, 2], [3]]


def test_a_segmenter_without_one_of_the_regions_is_told(tmp_path):
    folder = slice_segmenter(tmp_path / "model", structures=Structures({"VS": 1}))
    with pytest.raises(InputError, match=r"dataset\.json: has no cochlea; give a segmenter of all structures"):
        feedback_from_folder(folder, pixel_mm=0.5)


def test_a_model_folder_becomes_a_feedback_with_its_plan(tmp_path):
    folder = slice_segmenter(tmp_path / "model")
    feedback = feedback_from_folder(folder, pixel_mm=0.25, weight=2.0)
    assert feedback.view == SliceView(0.25, (0.5, 0.5), (32, 32))
    assert feedback.weight == 2
    images, labels = slices(size=64)
    expected = 2 * dice_and_cross_entropy(
        feedback.segmenter(feedback.view.images(images)), feedback.view.labels(labels)
    )
    torch.testing.assert_close(feedback(images, labels), expected)


def test_rows_and_columns_are_those_of_the_plan(tmp_path):
    plan = json.loads((slice_segmenter(tmp_path / "model") / "plans.json").read_text())
    plan["configurations"]["2d"] |= {"spacing": [0.5, 0.8], "patch_size": [32, 16]}
    (tmp_path / "model" / "plans.json").write_text(json.dumps(plan))
    assert feedback_from_folder(tmp_path / "model", pixel_mm=0.25).view == SliceView(0.25, (0.5, 0.8), (32, 16))


def test_segmenters_of_other_slices_and_of_volumes_are_refused(tmp_path):
    words = "is no segmenter of axial slices; train one with --configuration 2d"
    shutil.copytree(SMALL_MODEL, tmp_path / "volumes")
    coronal = slice_segmenter(tmp_path / "coronal", transpose_forward=[1, 0, 2])
    turned = slice_segmenter(tmp_path / "turned", orientation="RAS")
    for folder in (tmp_path / "volumes", coronal, turned):
        with pytest.raises(InputError, match=words):
            feedback_from_folder(folder, pixel_mm=0.5)


def test_a_folder_without_weights_is_told(tmp_path):
    folder = slice_segmenter(tmp_path / "model")
    (folder / "model.pt").unlink()
    with pytest.raises(InputError, match=r"model\.pt: is missing"):
        feedback_from_folder(folder, pixel_mm=0.5)
