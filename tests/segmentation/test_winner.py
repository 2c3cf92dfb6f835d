"""Which class a voxel gets."""

import torch

from tanq_monai.segmentation.plan.space import PlanSpace
from tanq_monai.segmentation.plan.transforms import label_map, winner


def test_of_equal_values_the_first_class_wins_and_else_the_highest() -> None:
    maps = torch.tensor([[1.0, 1.0, 0.0, -2.0], [1.0, 2.0, 0.0, -1.0], [1.0, 2.0, 3.0, -1.0]])
    label, best = winner(iter(maps[:, None, None]))
    assert label.dtype == torch.uint8
    assert label.flatten().tolist() == [0, 1, 2, 1]
    assert best.flatten().tolist() == [1.0, 2.0, 3.0, -1.0]


def test_where_no_class_is_more_likely_a_scan_is_background() -> None:
    meta = {"plan_box": [(0, 2), (0, 3), (0, 4)], "plan_full_shape": (2, 3, 4), "plan_input_spacing": (1.0, 1.0, 1.0)}
    logits = torch.full((3, 2, 3, 4), 0.5)
    assert not label_map(logits, meta, PlanSpace(spacing=(1.0, 1.0, 1.0))).any()
