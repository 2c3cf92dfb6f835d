"""What is black inside of the head belongs to it."""

import numpy as np

from tanq_monai.segmentation.plan.space import PlanSpace, crop_and_normalize


def test_a_hole_counts_in_the_z_score_of_the_head_and_air_does_not() -> None:
    scan = np.zeros((9, 8, 7), np.float32)
    scan[1:8, 1:7, 1:6] = np.random.default_rng(0).uniform(50, 100, (7, 6, 5))
    scan[1, 1, 1] = 0  # air at a corner of the box
    scan[4, 3, 2:4] = 0  # a vessel
    space = PlanSpace(spacing=(1.0, 1.0, 1.0), nonzero_only=True)
    image, placement = crop_and_normalize(scan, np.diag([-1.0, -1.0, 1.0, 1.0]), space)
    box = scan[1:8, 1:7, 1:6]
    head = np.ones(box.shape, dtype=bool)
    head[0, 0, 0] = False
    values = box[head].astype(np.float64)
    expected = np.where(head, (box - values.mean()) / values.std(), 0)
    assert placement.box == ((1, 6), (1, 7), (1, 8))
    np.testing.assert_allclose(image, expected.transpose(2, 1, 0), atol=1e-5)
