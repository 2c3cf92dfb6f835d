from collections import Counter

import numpy as np
import pytest
import torch
from files import scan, structures, write_case, write_nifti

from tanq_monai.data.cases import find_images, find_labelled
from tanq_monai.data.slices import SliceSize, UnpairedSlices, load_slices
from tanq_monai.errors import InputError


def _numbered(count, size=8, offset=0.0):
    """Slice n holds n in its image, and in its label map what the image shows: right half 1."""
    image = torch.arange(float(count))[:, None, None].expand(count, size, size) + offset
    marked = torch.zeros(size, size)
    marked[:, size // 2 :] = 1
    return torch.stack([image + 0.25 * marked, marked.expand_as(image)], dim=1)


def _dataset(source=5, target=8, crop=8, seed=3):
    return UnpairedSlices(_numbered(source), _numbered(target, offset=100), crop=crop, seed=seed)


def _pairs(dataset, epoch):
    """Which slice of each domain the epoch shows at every index, and whether it is flipped."""
    dataset.set_epoch(epoch)
    items = [dataset[i] for i in range(len(dataset))]
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
    one, other = _dataset(crop=6), _dataset(crop=6)
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
    dataset, corners = UnpairedSlices(source, source, crop=6), set()
    for epoch in range(60):
        dataset.set_epoch(epoch)
        image, label = dataset[0]["image"]
        assert torch.equal(image, label)
        upright = image if image[0, 0] < image[0, 1] else image.flip(-1)
        row, column = divmod(int(upright[0, 0]), 8)
        assert torch.equal(upright, source[0, 0, row : row + 6, column : column + 6])
        corners.add((row, column))
    assert corners == {(row, column) for row in range(3) for column in range(3)}


def test_augmentation_leaves_the_slices_as_they_are():
    source = _numbered(3)
    dataset = UnpairedSlices(source, source, crop=8)
    for index in range(3):
        dataset[index]["image"].zero_()
    assert torch.equal(source, _numbered(3))


def test_a_crop_larger_than_the_slices_is_refused():
    with pytest.raises(InputError, match="crop 9: is larger than a slice of 8 pixels"):
        _dataset(crop=9)


def test_slices_of_all_labelled_cases_are_stacked(tmp_path):
    for name in ("crossmoda2021_ldn_1", "crossmoda2021_ldn_2"):
        write_case(tmp_path, name)
    size = SliceSize(pixels=16, pixel_mm=0.5, slab_mm=4.5)
    slices = load_slices(find_labelled(tmp_path).cases, size)
    assert slices.shape == (2 * 3, 2, 16, 16)
    assert set(slices[:, 1].unique().tolist()) == {0, 1, 2}
    assert (slices[:3, 1] > 0).sum() == (structures() > 0).sum()
    assert (slices[:, 0].min().item(), slices[:, 0].max().item()) == (-1, 1)


def test_slices_without_label_have_an_empty_label_map(tmp_path):
    write_nifti(tmp_path / "crossmoda2021_ldn_106_hrT2.nii.gz", scan())
    slices = load_slices(find_images(tmp_path).cases, SliceSize(pixels=16, pixel_mm=0.5, slab_mm=None))
    assert slices.shape == (6, 2, 16, 16)
    assert slices[:, 1].abs().max() == 0
    inside = slices[:, 0, 3:13, 2:14].permute(2, 1, 0).numpy()
    expected = 2 * np.clip(scan() / np.sort(scan(), axis=None)[round(0.995 * scan().size) - 1], 0, 1) - 1
    np.testing.assert_allclose(inside, expected, atol=1e-4)
