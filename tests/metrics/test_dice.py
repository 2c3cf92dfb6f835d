import numpy as np
import pytest

from tanq_monai.metrics.dice import dice


def test_dice_equals_its_definition_counted_voxel_by_voxel():
    generator = np.random.default_rng(0)
    prediction, truth = generator.random((2, 5, 6, 7)) > 0.6
    both = predicted = true = 0
    for p, t in zip(prediction.flat, truth.flat, strict=True):
        both += int(p and t)
        predicted += int(p)
        true += int(t)
    assert dice(prediction, truth) == pytest.approx(2 * both / (predicted + true), abs=1e-15)


def test_dice_of_two_bars_that_share_one_of_three_voxels_is_one_third():
    bar = np.zeros(8, dtype=bool)
    bar[1:4] = True
    assert dice(bar, np.roll(bar, 2)) == pytest.approx(1 / 3)


def test_dice_is_symmetric_and_does_not_depend_on_the_background():
    generator = np.random.default_rng(1)
    prediction, truth = generator.random((2, 4, 5, 6)) > 0.5
    assert dice(prediction, truth) == dice(truth, prediction)
    assert dice(np.pad(prediction, 3), np.pad(truth, 3)) == dice(prediction, truth)


def test_dice_of_a_mask_with_itself_is_1_and_with_a_distant_one_0():
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[1:3, 1, 1] = True
    assert dice(mask, mask) == 1.0
    assert dice(np.roll(mask, 2, axis=2), mask) == 0.0


@pytest.mark.parametrize("found", [0, 5])
def test_dice_is_not_applicable_when_the_truth_is_empty(found):
    prediction = np.arange(27).reshape(3, 3, 3) < found
    assert np.isnan(dice(prediction, np.zeros((3, 3, 3), dtype=bool)))


def test_dice_is_0_when_only_the_prediction_is_empty():
    assert dice(np.zeros(3, dtype=bool), np.ones(3, dtype=bool)) == 0.0


def test_dice_of_different_shapes_is_an_error():
    with pytest.raises(ValueError, match="one shape"):
        dice(np.ones(3, dtype=bool), np.ones(4, dtype=bool))
