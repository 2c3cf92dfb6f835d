"""The largest component against nnU-Net's own."""

import numpy as np
import pytest
import torch
from nnunetv2.postprocessing.remove_connected_components import remove_all_but_largest_component_from_segmentation

from tanq_monai.segmentation.inference.keep_largest import KeepLargestd, keep_largest


@pytest.mark.parametrize("values", [[1], [2], [1, 2], [1, 3]])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_components_equal_those_of_nnunet(values, share):
    random = np.random.default_rng(0)
    label = (random.integers(1, 4, (20, 21, 9)) * (random.random((20, 21, 9)) < share)).astype(np.uint8)
    expected = remove_all_but_largest_component_from_segmentation(label, values)
    assert np.array_equal(keep_largest(label, values), expected)


def test_equally_large_components_stay_and_corners_connect():
    label = np.zeros((9, 9, 9), dtype=np.uint8)
    label[0, 0, 0] = label[1, 1, 1] = label[5, 5, 5] = label[5, 5, 6] = label[8, 0, 0] = 1
    kept = keep_largest(label, [1])
    assert kept.sum() == 4
    assert kept[8, 0, 0] == 0
    assert label.sum() == 5


def test_a_label_that_is_absent_changes_nothing():
    label = np.ones((3, 3, 3), dtype=np.uint8)
    assert np.array_equal(keep_largest(label, [2]), label)


def test_steps_are_done_in_their_order():
    label = torch.zeros(1, 1, 1, 8)
    label[0, 0, 0] = torch.tensor([1, 1, 0, 1, 2, 2, 2, 0])  # the two of label 1 are not with the largest union
    assert KeepLargestd("pred", [[1, 2], [1]])({"pred": label})["pred"].flatten().tolist() == [0, 0, 0, 1, 2, 2, 2, 0]
    assert KeepLargestd("pred", [[1], [1, 2]])({"pred": label})["pred"].flatten().tolist() == [0, 0, 0, 0, 2, 2, 2, 0]
