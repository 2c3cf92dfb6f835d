from collections import Counter

import numpy as np
import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.translation.slices import UnpairedSlices


class InMemory:
    """Slices (N, 2, H, W) of one domain, all at one height and of style 0 unless told otherwise."""

    def __init__(self, slices, heights=None, styles=None):
        self.slices = slices
        self.heights = np.zeros(len(slices)) if heights is None else np.asarray(heights)
        self.styles = np.zeros(len(slices), dtype=np.int64) if styles is None else np.asarray(styles)

    def __len__(self):
        return len(self.slices)

    def __getitem__(self, index):
        return self.slices[index].clone()


def _numbered(count, size=8, offset=0.0):
    """Slice n holds n in its image, and in its label map what the image shows: right half 1."""
    image = torch.arange(float(count))[:, None, None].expand(count, size, size) + offset
    marked = torch.zeros(size, size)
    marked[:, size // 2 :] = 1
    return torch.stack([image + 0.25 * marked, marked.expand_as(image)], dim=1)


def _dataset(source=5, target=8, crop=8, seed=3):
    return UnpairedSlices(InMemory(_numbered(source)), InMemory(_numbered(target, offset=100)), crop=crop, seed=seed)


def _pairs(dataset, epoch):
    """Which slice of each domain the epoch shows at every index, and the items."""
    items = [dataset[epoch, i] for i in range(len(dataset))]
    return [tuple(item[key][0].min().item() for key in ("image", "target_domain")) for item in items], items


@pytest.mark.parametrize(("source", "target"), [(5, 8), (8, 5), (6, 6), (1, 4)])
def test_an_epoch_shows_every_slice_of_the_larger_domain_once(source, target):
    pairs, _ = _pairs(_dataset(source, target), epoch=1)
    assert len(pairs) == max(source, target)
    for shown, count, offset in (([p[0] for p in pairs], source, 0), ([p[1] for p in pairs], target, 100)):
        times = Counter(int(number) - offset for number in shown)
        assert set(times) == set(range(count)) if count == len(pairs) else set(times) <= set(range(count))
        assert max(times.values()) - min(times.values()) <= 1


def test_the_same_seed_and_epoch_give_the_same_batch():
    one, other = _dataset(crop=4), _dataset(crop=4)
    _pairs(one, epoch=1)  # what came before does not matter
    first, second = _pairs(one, epoch=4)[1], _pairs(other, epoch=4)[1]
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a["image"], b["image"])
        assert torch.equal(a["target_domain"], b["target_domain"])


def test_another_epoch_or_seed_gives_other_pairs():
    pairs = _pairs(_dataset(20, 20), epoch=1)[0]
    assert pairs != _pairs(_dataset(20, 20), epoch=2)[0]
    assert pairs != _pairs(_dataset(20, 20, seed=4), epoch=1)[0]


def test_pairing_has_nothing_to_do_with_the_order_of_the_files():
    pairs = _pairs(_dataset(30, 30), epoch=1)[0]
    assert sum(source == target - 100 for source, target in pairs) < 10


def test_labels_flip_with_their_image_and_about_half_do():
    _, items = _pairs(_dataset(100, 100), epoch=1)
    for item in items:
        for key in ("image", "target_domain"):
            image, label = item[key]
            assert torch.equal(image - image.min(), 0.25 * label)
    flipped = sum(item["image"][1, 0, 0].item() for item in items)
    assert 30 < flipped < 70


def test_source_and_target_domain_flip_independently():
    _, items = _pairs(_dataset(100, 100), epoch=1)
    alike = sum(torch.equal(item["image"][1], item["target_domain"][1]) for item in items)
    assert 30 < alike < 70


def test_crops_are_parts_of_the_slice_anywhere_in_it():
    source = torch.stack([torch.arange(64.0).reshape(8, 8), torch.arange(64.0).reshape(8, 8)])[None]
    dataset, corners = UnpairedSlices(InMemory(source), InMemory(source), crop=4), set()
    for epoch in range(150):
        image, label = dataset[epoch, 0]["image"]
        assert torch.equal(image, label)
        upright = image if image[0, 0] < image[0, 1] else image.flip(-1)
        row, column = divmod(int(upright[0, 0]), 8)
        assert torch.equal(upright, source[0, 0, row : row + 4, column : column + 4])
        corners.add((row, column))
    assert corners == {(row, column) for row in range(5) for column in range(5)}


def test_pairs_lie_at_the_same_height():
    heights = np.arange(40) * 1.5 - 29.25
    source, target = _numbered(40), _numbered(20, offset=100)
    dataset = UnpairedSlices(InMemory(source, heights), InMemory(target, heights[10:30]), crop=8)
    for shown, other in _pairs(dataset, epoch=1)[0]:
        wanted = np.clip(heights[int(shown)], heights[10], heights[29])  # the slab of the target domain ends there
        assert abs(heights[10 + int(other - 100)] - wanted) <= 3


def test_slices_at_a_height_are_used_equally_often():
    dataset = UnpairedSlices(InMemory(_numbered(60)), InMemory(_numbered(20, offset=100)), crop=8)
    times = Counter(target for _, target in _pairs(dataset, epoch=1)[0])
    assert set(times.values()) == {3}


def test_style_is_that_of_the_slice_of_the_target_domain():
    source, target = InMemory(_numbered(6)), InMemory(_numbered(6, offset=100), styles=[0, 1, 2, 0, 1, 2])
    for pair, item in zip(*_pairs(UnpairedSlices(source, target, crop=8), epoch=2), strict=True):
        assert item["style"] == int(pair[1] - 100) % 3


def test_items_come_in_any_order_of_the_epochs():
    dataset = _dataset()
    first = dataset[1, 3]["image"].clone()
    dataset[2, 3]
    assert torch.equal(dataset[1, 3]["image"], first)


def test_a_crop_larger_than_the_slices_is_refused():
    with pytest.raises(InputError, match="crop 9: is larger than a slice of 8 pixels"):
        _dataset(crop=9)


def test_a_crop_that_the_networks_cannot_halve_twice_is_refused():
    with pytest.raises(InputError, match="crop 6: is no multiple of 4; choose 4"):
        _dataset(crop=6)
