from collections import Counter

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tanq_monai.phantom import LONDON_CISS, LONDON_FLASH, LONDON_RESTORE, TILBURG_FFE, TILBURG_TSE, Grid
from tanq_monai.phantom.scanner.protocols import MATRICES, SITES, SIZES, Contrast, Site, draw_grid, draw_protocol
from tanq_monai.phantom.scanner.sequences import LONDON_MPRAGE

CONTRASTS: tuple[Contrast, Contrast] = ("ceT1", "hrT2")
EVERY_SCAN = [(site, contrast) for site in SITES for contrast in CONTRASTS]


def draw(size: str, site: Site, contrast: Contrast, number: int) -> list[Grid]:
    rng = np.random.default_rng(0)
    return [draw_grid(rng, size, site, contrast) for _ in range(number)]


def spacing(grid: Grid) -> np.ndarray:
    return np.linalg.norm(grid.affine[:3, :3], axis=0)


@pytest.mark.parametrize(
    ("contrast", "published"),
    [("ceT1", {LONDON_FLASH: 240, LONDON_MPRAGE: 2}), ("hrT2", {LONDON_CISS: 193, LONDON_RESTORE: 49})],
)
def test_london_draws_its_sequences_as_often_as_published(contrast: Contrast, published: dict[object, int]) -> None:
    rng, number = np.random.default_rng(0), 20000
    drawn = Counter(draw_protocol(rng, "ldn", contrast) for _ in range(number))
    assert drawn.keys() == published.keys()
    for protocol, count in published.items():
        share = count / 242
        assert drawn[protocol] / number == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / number))


def test_tilburg_has_one_sequence_of_each_contrast() -> None:
    rng = np.random.default_rng(0)
    assert {draw_protocol(rng, "etz", "ceT1") for _ in range(50)} == {TILBURG_FFE}
    assert {draw_protocol(rng, "etz", "hrT2") for _ in range(50)} == {TILBURG_TSE}


def test_ce_t1_of_london_has_120_slices_of_1_5_mm_or_160_of_1_mm_in_18_of_242() -> None:
    grids = draw("full", "ldn", "ceT1", 4000)
    assert {grid.shape for grid in grids} == {(512, 512, 120), (512, 512, 160)}
    for grid in grids[:200]:
        np.testing.assert_allclose(spacing(grid), (0.41, 0.41, 1.5 if grid.shape[2] == 120 else 1.0), atol=0.0005)
    assert np.mean([grid.shape[2] == 160 for grid in grids]) == pytest.approx(18 / 242, abs=0.016)


def test_hr_t2_of_london_is_a_slab_of_60_to_120_mm_in_one_of_two_matrices() -> None:
    grids = draw("full", "ldn", "hrT2", 4000)
    steps = np.array([spacing(grid) for grid in grids])
    shapes = np.array([grid.shape for grid in grids])
    assert set(shapes[:, 0]) == {384, 448}
    np.testing.assert_allclose(shapes[:, :2] * steps[:, :2], 210)
    assert 0.468 < steps[:, 0].min() < steps[:, 0].max() < 0.548
    assert np.mean(steps[:, 2] < 1.01) == pytest.approx(20 / 242, abs=0.017)
    heights = shapes[:, 2] * steps[:, 2]
    assert (shapes[:, 2].min(), shapes[:, 2].max()) == (40, 80)
    assert heights.min() == pytest.approx(60)
    assert heights.max() == pytest.approx(120)


def test_scans_of_tilburg_have_the_published_voxels_and_at_least_60_slices() -> None:
    for contrast, pixels, step, slices in (("ceT1", 256, (0.8, 0.8, 1.5), 70), ("hrT2", 512, (0.4, 0.4, 1.0), 80)):
        grids = draw("full", "etz", contrast, 400)  # type: ignore[arg-type]
        assert {grid.shape[:2] for grid in grids} == {(pixels, pixels)}
        assert {grid.shape[2] for grid in grids} == set(range(60, slices + 1))
        np.testing.assert_allclose([spacing(grid) for grid in grids], [step] * 400)


@pytest.mark.parametrize(("site", "contrast"), EVERY_SCAN)
def test_crop_has_the_scanners_voxels_in_a_box_round_both_ears(site: Site, contrast: Contrast) -> None:
    native = {tuple(spacing(grid).round(6)) for grid in draw("full", site, contrast, 300)}
    height = {"ceT1": 45, "hrT2": 40}[contrast]
    for grid in draw("crop", site, contrast, 100):
        assert tuple(spacing(grid).round(6)) in native
        np.testing.assert_array_less(np.abs(grid.shape * spacing(grid) - (130, 100, height)), 0.51 * spacing(grid))
        corners = np.array([(x, y, z) for x in (-45, 45) for y in (-40, 25) for z in (-8, 10)])
        index = nib.affines.apply_affine(np.linalg.inv(grid.affine), corners)
        assert index.min() >= 0
        assert (index <= np.array(grid.shape) - 1).all()


@pytest.mark.parametrize(("site", "contrast"), EVERY_SCAN)
@pytest.mark.parametrize("size", ["crop", "full"])
def test_samples_lie_close_everywhere_and_closer_near_the_ears(size: str, site: Site, contrast: Contrast) -> None:
    for grid in draw(size, site, contrast, 50):
        assert (spacing(grid) / grid.factor).max() < 0.76
        assert (spacing(grid) / grid.ear_factor).max() < 0.4
        assert np.prod(grid.ear_factor) <= 36


@pytest.mark.parametrize(("site", "contrast"), EVERY_SCAN)
@pytest.mark.parametrize(("size", "shapes"), [("tiny", {"ceT1": (80, 80, 20), "hrT2": (80, 80, 16)}),
                                              ("small", {"ceT1": (144, 144, 40), "hrT2": (144, 144, 28)})])  # fmt: skip
def test_reduced_sizes_do_not_vary(
    size: str, shapes: dict[str, tuple[int, int, int]], site: Site, contrast: Contrast
) -> None:
    for grid in draw(size, site, contrast, 20):
        assert grid.shape == shapes[contrast]
        np.testing.assert_allclose(spacing(grid), MATRICES[size, site, contrast].spacing)


@pytest.mark.parametrize("size", [size for size in SIZES if size != "varied"])
def test_heads_lie_within_4_degrees_and_5_mm_of_straight(size: str) -> None:
    grids = draw(size, "ldn", "hrT2", 200)
    middle = MATRICES[size, "ldn", "hrT2"].center
    shifts = [grid.affine @ (*((np.array(grid.shape) - 1) / 2), 1) - (*middle, 1) for grid in grids]
    assert np.abs(shifts).max() == pytest.approx(5)
    turns = np.array([grid.affine[:3, :3] / spacing(grid) @ np.diag([-1, -1, 1]) for grid in grids])
    angles = Rotation.from_matrix(turns).as_euler("xyz", degrees=True)
    assert np.abs(angles).max() == pytest.approx(4)


def test_the_same_generator_gives_the_same_grid() -> None:
    for size in SIZES:
        first, again = (draw_grid(np.random.default_rng(7), size, "ldn", "hrT2") for _ in range(2))
        assert first.shape == again.shape
        np.testing.assert_array_equal(first.affine, again.affine)
