"""Slices that are finished one by one, and windows that are averaged, without torch."""

import numpy as np
import pytest
import torch

from tanq_monai.deploy.runtime import segmentation
from tanq_monai.deploy.runtime.segmentation import SlidingWindow, segment
from tanq_monai.segmentation.inference.inferer import PlanInferer

AFFINE = np.diag([-0.7, -0.9, 2.5, 1.0])


def logits(inputs):
    """Three classes that depend on where in its window a voxel lies."""
    image = inputs["image"]
    ramp = np.linspace(0.5, 1.5, image.shape[-1], dtype=np.float32)
    return np.concatenate([np.zeros_like(image), image * ramp, 1 - image * image], axis=1)


def properties(window):
    return {
        "classes": {"background": 0, "VS": 1, "cochlea": 2},
        "spacing": [2.0, 0.8, 0.6][-len(window) :],
        "normalization": {"nonzero_only": False},
        "patch_size": window,
        "transpose": [0, 1, 2],
        "interpolation": {
            "image": {"order": 3, "order_z": 0, "separate_z": None},
            "logits": {"order": 1, "order_z": 0, "separate_z": None},
        },
    }


def scan():
    volume = np.random.default_rng(0).normal(size=(37, 29, 6)).astype(np.float32)
    volume[:, :, 2] = 0  # an empty slice amid the others
    volume[:3] = 0
    return volume


def test_labels_are_the_same_slice_by_slice_and_as_a_whole(monkeypatch):
    expected_slabs = segmentation._slabs(np.zeros((6, 1, 1)), (16, 24), segmentation.plan_space(properties([16, 24])))
    assert expected_slabs == [slice(z, z + 1) for z in range(6)]
    found = segment(logits, properties([16, 24]), scan(), AFFINE)
    monkeypatch.setattr(segmentation, "_slabs", lambda *_: [slice(None)])
    expected = segment(logits, properties([16, 24]), scan(), AFFINE)
    assert found.shape == (37, 29, 6)
    assert set(np.unique(found)) == {0, 1, 2}
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("window", [(16, 24), (4, 16, 24), (8, 48, 16)])
def test_windows_are_averaged_as_the_bundle_averages_them(window):
    image = scan().transpose(2, 1, 0).copy()
    expected = PlanInferer(window)(
        torch.from_numpy(image)[None, None], lambda x: torch.from_numpy(logits({"image": x.numpy()}))
    )
    found = SlidingWindow(logits, window, 3)(image)
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=0, atol=1e-5)
