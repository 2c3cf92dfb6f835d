import math

import pytest
import torch

from tanq_monai.losses.segmentation import dice_and_cross_entropy


def _slices(count=3, classes=4, size=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, size, size, generator=generator, dtype=torch.float32)
    labels = torch.zeros(count, size, size, dtype=torch.long)
    labels[0, 1:3, 1:4], labels[0, 4, 4], labels[1, 2:5, 0] = 1, 3, 2  # the last slice has none
    return logits, labels


def _written_out(logits, labels):
    losses = []
    for one, truth in zip(logits.double(), labels, strict=True):
        classes, rows, columns = one.shape
        p = [[[math.exp(one[k, y, x]) for k in range(classes)] for x in range(columns)] for y in range(rows)]
        p = [[[value / sum(pixel) for value in pixel] for pixel in row] for row in p]
        places = [(y, x) for y in range(rows) for x in range(columns)]
        loss = -sum(math.log(p[y][x][truth[y, x]]) for y, x in places) / len(places)
        lacks = []
        for k in range(1, classes):
            inside = [place for place in places if truth[place] == k]
            if inside:
                overlap = sum(p[y][x][k] for y, x in inside)
                lacks.append(1 - 2 * overlap / (sum(p[y][x][k] for y, x in places) + len(inside)))
        losses.append(loss + (sum(lacks) / len(lacks) if lacks else 0))
    return losses


def test_it_equals_its_definition_pixel_by_pixel():
    logits, labels = _slices()
    assert dice_and_cross_entropy(logits, labels).tolist() == pytest.approx(_written_out(logits, labels), rel=1e-5)


def test_certain_and_right_is_zero_certain_and_wrong_is_the_margin_plus_one():
    _, labels = _slices()
    right = 200 * torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).float()
    assert dice_and_cross_entropy(right, labels).tolist() == [0, 0, 0]
    wrong = right.roll(1, dims=1)
    assert dice_and_cross_entropy(wrong, labels).tolist() == pytest.approx([201, 201, 200])


def test_slices_do_not_depend_on_each_other():
    logits, labels = _slices()
    apart = [dice_and_cross_entropy(logits[n : n + 1], labels[n : n + 1]).item() for n in range(3)]
    assert dice_and_cross_entropy(logits, labels).tolist() == pytest.approx(apart, rel=1e-6)


def test_the_gradient_is_finite_and_asks_for_the_structure_where_it_is():
    logits, labels = _slices()
    logits.requires_grad_()
    dice_and_cross_entropy(logits, labels).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[0, 1][labels[0] == 1] < 0).all()
    assert (logits.grad[0, 1][labels[0] != 1] > 0).all()
