from dataclasses import replace

import numpy as np
import pytest
import torch
from files import LPS, SHAPE, THREE, scan, structures, three_classes, write_nifti

from tanq_monai.errors import InputErrors
from tanq_monai.translation.pairs import PairStore, find_pairs
from tanq_monai.translation.slices import SliceSize, SliceStore

SIZE = SliceSize(pixels=16, pixel_mm=0.5, slab_mm=None)


def _write_pair(folder, case="crossmoda2021_ldn_301", ce_t1=None, affine=LPS):
    write_nifti(folder / f"{case}_ceT1.nii.gz", scan(1) if ce_t1 is None else ce_t1, affine)
    write_nifti(folder / f"{case}_hrT2.nii.gz", scan(2))
    write_nifti(folder / f"{case}_Label.nii.gz", structures())


def _store(folder, size=SIZE):
    scan_ = find_pairs(folder)
    scan_.raise_problems()
    return PairStore(scan_.cases, size, folder / "slices")


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
