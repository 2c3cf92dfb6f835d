from dataclasses import replace

import numpy as np
import pytest
import torch
from files import LPS, SHAPE, THREE, scan, structures, three_classes, write_nifti
from torch.nn import functional as F

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.translation.pairs import PairedSlices, PairStore, Variation, find_pairs, vary
from tanq_monai.translation.slices import SliceSize, SliceStore

SIZE = SliceSize(pixels=16, pixel_mm=0.5, slab_mm=None)
NOTHING = Variation(gamma=0, bias=0, noise=0)


def _write_pair(folder, case="crossmoda2021_ldn_301", ce_t1=None, affine=LPS):
    write_nifti(folder / f"{case}_ceT1.nii.gz", scan(1) if ce_t1 is None else ce_t1, affine)
    write_nifti(folder / f"{case}_hrT2.nii.gz", scan(2))
    write_nifti(folder / f"{case}_Label.nii.gz", structures())


def _store(folder, size=SIZE):
    scan_ = find_pairs(folder)
    scan_.raise_problems()
    return PairStore(scan_.cases, size, folder / "slices")


class InMemory:
    """Slices (N, 3, H, W); slice n has n / N in ceT1, the column in the label map, and - ceT1 in hrT2."""

    def __init__(self, count=6, size=8):
        level = (torch.arange(count) / count)[:, None, None].expand(count, size, size)
        column = torch.arange(float(size)).expand(count, size, size)
        self.slices = torch.stack([level, column, -level + 0.001 * column], dim=1)
        self.styles = np.arange(count) % 2
        self.heights = np.zeros(count)

    def __len__(self):
        return len(self.slices)

    def __getitem__(self, index):
        return self.slices[index].clone()


def test_pairs_are_found_with_all_three_files(tmp_path):
    for case in ("crossmoda2021_ldn_301", "crossmoda2022_etz_300"):
        _write_pair(tmp_path, case)
    found = find_pairs(tmp_path)
    assert found.problems == []
    assert [case["case"] for case in found.cases] == ["crossmoda2021_ldn_301", "crossmoda2022_etz_300"]
    assert found.cases[0]["image"].endswith("301_hrT2.nii.gz")
    assert found.cases[0]["ceT1"].endswith("301_ceT1.nii.gz")


def test_a_pair_without_ceT1_is_a_problem_and_the_others_are_used(tmp_path):
    for case in ("crossmoda2021_ldn_301", "crossmoda2022_etz_300"):
        _write_pair(tmp_path, case)
    (tmp_path / "crossmoda2021_ldn_301_ceT1.nii.gz").unlink()
    found = find_pairs(tmp_path)
    assert [case["case"] for case in found.cases] == ["crossmoda2022_etz_300"]
    assert "301_ceT1.nii.gz: does not exist" in str(found.problems[0])


def test_ceT1_and_label_are_those_of_the_unpaired_training_where_the_grids_agree(tmp_path):
    _write_pair(tmp_path)
    store = _store(tmp_path)
    case = {"case": "x", "image": str(tmp_path / "crossmoda2021_ldn_301_ceT1.nii.gz")}
    case["label"] = str(tmp_path / "crossmoda2021_ldn_301_Label.nii.gz")
    unpaired = SliceStore([case], SIZE, tmp_path / "other")
    assert len(store) == len(unpaired) == SHAPE[2]
    for number in range(len(store)):
        assert store[number].shape == (3, 16, 16)
        assert torch.equal(store[number][:2], unpaired[number])


def test_both_contrasts_are_cut_at_the_same_place(tmp_path):
    head = np.zeros(SHAPE, dtype=np.float32)
    head[3:, 1:8] = scan(2)[3:, 1:8]  # hrT2 shows less of the head than ceT1
    _write_pair(tmp_path)
    write_nifti(tmp_path / "crossmoda2021_ldn_301_ceT1.nii.gz", scan(2))
    write_nifti(tmp_path / "crossmoda2021_ldn_301_hrT2.nii.gz", head)
    source, _, target = torch.stack([_store(tmp_path)[number] for number in range(SHAPE[2])], dim=1)
    shown = target > -1
    ratio = (source[shown] + 1) / (target[shown] + 1)
    saturated = (source[shown] > 0.99) | (target[shown] > 0.99)
    assert shown.sum() > 300
    assert ratio[~saturated].std() < 0.02


def test_ceT1_on_a_grid_of_its_own_is_resampled_to_that_of_hrT2(tmp_path):
    def brightness(affine, shape):
        """Linear in mm, so that linear interpolation has no error."""
        index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
        x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3], -1, 0)
        return (60 + 3 * x - 2 * y + 4 * z).astype(np.float32)

    affine, shape = np.diag([-0.4, -0.7, 1.0, 1.0]), (24, 16, 20)
    affine[:3, 3] = (2.0, 2.5, -3.0)
    own, common = tmp_path / "own", tmp_path / "common"
    _write_pair(own, ce_t1=brightness(affine, shape), affine=affine)
    _write_pair(common, ce_t1=brightness(LPS, SHAPE))
    for number in range(SHAPE[2]):
        torch.testing.assert_close(_store(own)[number], _store(common)[number], atol=2e-4, rtol=0)


def test_a_ceT1_that_lies_elsewhere_is_told(tmp_path):
    elsewhere = LPS.copy()
    elsewhere[:3, 3] = 500
    _write_pair(tmp_path, affine=elsewhere)
    with pytest.raises(Exception, match=r"301_ceT1\.nii\.gz: shows nothing where hrT2 lies; give scans of one session"):
        _store(tmp_path)[0]


def test_slices_are_cut_anew_when_the_ceT1_changes(tmp_path):
    _write_pair(tmp_path)
    before = _store(tmp_path)[2]
    write_nifti(tmp_path / "crossmoda2021_ldn_301_ceT1.nii.gz", scan(5))
    after = _store(tmp_path)[2]
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1:], after[1:])


def test_an_epoch_shows_every_pair_once_and_another_one_in_another_order():
    dataset = PairedSlices(InMemory(20), crop=8, variation=NOTHING)
    orders = [[round(20 * dataset[epoch, n]["image"][0, 0, 0].item()) for n in range(20)] for epoch in (1, 2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert orders[0] != orders[1]


def test_both_contrasts_and_the_label_are_cropped_and_flipped_alike():
    dataset, flips, corners = PairedSlices(InMemory(), crop=4, variation=NOTHING, seed=2), 0, set()
    for epoch in range(40):
        item = dataset[epoch, 0]
        (image, column), target = item["image"], item["target_domain"]
        assert item["image"].shape == (2, 4, 4)
        assert target.shape == (1, 4, 4)
        torch.testing.assert_close(target[0], -image + 0.001 * column)
        flips += bool(column[0, 0] > column[0, 1])
        corners.add(column.min().item())
    assert 8 < flips < 32
    assert corners == {0, 1, 2, 3, 4}


def test_a_pair_has_the_style_of_its_scan():
    dataset = PairedSlices(InMemory(), crop=8, variation=NOTHING)
    for number in range(6):
        item = dataset[1, number]
        assert item["style"] == round(6 * item["image"][0, 0, 0].item()) % 2


def test_the_same_seed_epoch_and_index_give_the_same_item():
    one, other = (PairedSlices(InMemory(), crop=4, seed=3) for _ in range(2))
    one[1, 1], other[2, 5]  # what came before does not matter
    assert all(torch.equal(one[4, 2][key], other[4, 2][key]) for key in ("image", "target_domain"))
    assert not torch.equal(one[4, 2]["image"], PairedSlices(InMemory(), crop=4, seed=4)[4, 2]["image"])


def test_only_the_look_of_ceT1_is_varied():
    store = InMemory()
    varied, plain = (PairedSlices(store, crop=4, variation=v) for v in (Variation(), NOTHING))
    for number in range(6):
        one, other = varied[1, number], plain[1, number]
        assert torch.equal(one["target_domain"], other["target_domain"])
        assert torch.equal(one["image"][1], other["image"][1])
        assert not torch.equal(one["image"][0], other["image"][0])
    assert torch.equal(store.slices, InMemory().slices)


def test_gamma_raises_the_magnitude_to_a_power_within_its_range():
    image = torch.linspace(-1, 1, 64).reshape(1, 8, 8)
    powers = []
    for seed in range(200):
        varied = vary(image, Variation(gamma=0.5, bias=0, noise=0), np.random.default_rng(seed))
        magnitude, again = (image + 1) / 2, (varied + 1) / 2
        power = (again[0, 4, 4].log() / magnitude[0, 4, 4].log()).item()
        torch.testing.assert_close(again, magnitude**power, atol=1e-4, rtol=0)
        powers.append(np.log(power))
    assert -0.5 <= min(powers) < -0.45
    assert 0.45 < max(powers) <= 0.5


def test_bias_is_smooth_and_within_its_range():
    image = torch.zeros(1, 33, 33)  # magnitude 0.5
    fields = torch.stack(
        [vary(image, Variation(gamma=0, bias=0.3, noise=0), np.random.default_rng(seed)) + 1 for seed in range(50)]
    )
    assert fields.log().abs().max() <= 0.3 + 1e-6
    assert fields.log().abs().max() > 0.28
    step = torch.cat([fields.log().diff(dim=axis).abs().flatten() for axis in (-1, -2)]).max()
    assert step <= 0.6 / 16 + 1e-6  # from one knot to the next, 16 pixels on
    knots = fields[0, :, ::16, ::16].log()[None]
    torch.testing.assert_close(F.interpolate(knots, (33, 33), mode="bilinear", align_corners=True)[0].exp(), fields[0])


def test_noise_has_at_most_the_given_deviation_and_the_image_stays_in_range():
    image = torch.zeros(1, 64, 64)
    deviations = [
        ((vary(image, Variation(0, 0, 0.1), np.random.default_rng(seed)) + 1) / 2).std().item() for seed in range(60)
    ]
    assert 0.09 < max(deviations) < 0.104
    assert min(deviations) < 0.02
    for level in (-1.0, 1.0):
        noisy = vary(torch.full((1, 64, 64), level), Variation(), np.random.default_rng(0))
        assert noisy.abs().max() <= 1


def test_a_crop_larger_than_the_slices_is_refused():
    with pytest.raises(InputError, match="crop 9: is larger than a slice of 8 pixels"):
        PairedSlices(InMemory(), crop=9)


def test_three_classes_and_the_two_they_merge_to_give_the_same_pairs(tmp_path):
    for folder, voxels in (("two", structures()), ("three", three_classes())):
        _write_pair(tmp_path / folder)
        write_nifti(tmp_path / folder / "crossmoda2021_ldn_301_Label.nii.gz", voxels)
    two, three = _store(tmp_path / "two"), PairStore(
        find_pairs(tmp_path / "three", THREE).cases, replace(SIZE, structures=THREE), tmp_path / "slices"
    )  # fmt: skip
    assert all(torch.equal(two[number], three[number]) for number in range(len(two)))
    with pytest.raises(InputErrors, match="holds unknown label 3"):
        _store(tmp_path / "three")[0]
