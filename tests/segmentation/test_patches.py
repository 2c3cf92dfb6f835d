"""Where training's patches lie."""

from types import SimpleNamespace

import numpy as np
import pytest
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

from tanq_monai.segmentation.training.patches import PatchLoader

PATCH, SEEN = 40, 32  # voxels along y and x, before and after augmentation's crop
VOXEL = {1: np.array([[0, 2, 200, 150]]), 2: np.empty((0, 4), dtype=int)}  # channel, z, y, x


def loader(kind: type[nnUNetDataLoader] = PatchLoader) -> nnUNetDataLoader:
    labels = SimpleNamespace(all_labels=[1, 2], has_ignore_label=False)
    return kind(SimpleNamespace(identifiers=["case"]), 2, (PATCH, PATCH), (SEEN, SEEN), labels, 0.5)


def corners(scan: tuple[int, int, int], locations: dict[int, np.ndarray], count: int = 4000) -> np.ndarray:
    """Lower corners (count, 3) of patches that must hold a structure."""
    np.random.seed(0)  # noqa: NPY002 - the loader draws from the global generator
    one = loader()
    return np.array([one.get_bbox(np.array(scan), True, locations)[0] for _ in range(count)])


def test_the_structure_lies_anywhere_in_what_the_network_sees_with_the_same_probability() -> None:
    places = VOXEL[1][0, 2:] - corners((5, 400, 400), VOXEL)[:, 1:] - (PATCH - SEEN) // 2
    assert places.min() == 1  # of 0 to 31: as far to either side of the middle, 16
    assert places.max() == SEEN - 1
    for axis in places.T:
        counts = np.bincount(axis, minlength=SEEN)[1:]
        expected = len(axis) / (SEEN - 1)
        # Chi-square of 30 degrees of freedom: 59.7 is exceeded once in a thousand.
        assert ((counts - expected) ** 2 / expected).sum() < 59.7


def test_nnunet_puts_it_in_the_middle_of_every_patch() -> None:
    lower, _ = loader(nnUNetDataLoader).get_bbox(np.array((5, 400, 400)), True, VOXEL)
    assert lower[1:] == [200 - PATCH // 2, 150 - PATCH // 2]


def test_the_slice_is_that_of_the_structure() -> None:
    assert set(corners((5, 400, 400), VOXEL)[:, 0]) == {2}


@pytest.mark.parametrize("place", [0, 99])
def test_patches_stay_as_near_to_the_scan_as_windows_do(place: int) -> None:
    starts = corners((1, 100, 100), {1: np.array([[0, 0, place, place]])})[:, 1:]
    edge = (PATCH - SEEN) // 2  # what the network sees of the patch lies inside of the scan
    assert starts.min() >= -edge
    assert starts.max() <= 100 - PATCH + edge
    assert (starts == (-edge if place == 0 else 100 - PATCH + edge)).mean() > 0.4


def test_a_scan_smaller_than_the_patch_lies_in_its_middle() -> None:
    starts = corners((1, 20, 24), {1: np.array([[0, 0, 3, 19]])}, count=50)[:, 1:]
    assert {tuple(start) for start in starts.tolist()} == {(-10, -8)}


def test_patches_have_the_size_of_the_plan() -> None:
    lower, upper = loader().get_bbox(np.array((5, 400, 400)), True, VOXEL)
    assert np.subtract(upper, lower).tolist() == [1, PATCH, PATCH]


@pytest.mark.parametrize("locations", [VOXEL, {1: VOXEL[2], 2: VOXEL[2]}], ids=["not asked for", "no structure"])
def test_patches_that_need_no_structure_are_those_of_nnunet(locations: dict[int, np.ndarray]) -> None:
    force = locations is not VOXEL
    drawn = []
    for kind in (PatchLoader, nnUNetDataLoader):
        np.random.seed(3)  # noqa: NPY002 - the loaders draw from the global generator
        one = loader(kind)
        drawn.append([one.get_bbox(np.array((5, 400, 300)), force, locations) for _ in range(20)])
    assert drawn[0] == drawn[1]
