"""Random filters change levels and texture, and nothing about where things are."""

import pytest
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform

from tanq_monai.segmentation.training.appearance import RandomFilters, draw_appearance

REACH = 4  # pixels: four kernels of three


def filtered(image: torch.Tensor, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return RandomFilters()(image=image)["image"]


@pytest.mark.parametrize("shape", [(1, 40, 44), (2, 12, 20, 24)])
def test_mean_and_deviation_of_every_channel_stay(shape) -> None:
    image = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    axes = tuple(range(1, len(shape)))
    for seed in range(5):
        other = filtered(image, seed)
        assert other.shape == image.shape
        torch.testing.assert_close(other.mean(axes), image.mean(axes), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(other.std(axes), image.std(axes), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(other, image, atol=0.05)


def test_a_region_of_one_level_stays_one_away_from_edges_and_levels_may_be_inverted() -> None:
    image = torch.zeros(1, 60, 60)
    image[:, 15:45, 15:45] = 1
    image[:, 25:35, 25:35] = 0.5
    inner, ring, outer = (slice(29, 31),) * 2, (slice(19, 21), slice(19, 41)), (slice(5, 9), slice(5, 55))
    orders = set()
    for seed in range(40):
        other = filtered(image, seed)[0]
        for region in (inner, ring, outer):
            assert other[region].std() < 1e-4
        orders.add(tuple(torch.stack([other[region].mean() for region in (inner, ring, outer)]).argsort().tolist()))
    assert {(2, 0, 1), (1, 0, 2)} < orders  # as it was, inverted, and others


def test_a_flat_image_stays_flat() -> None:
    torch.testing.assert_close(filtered(torch.full((1, 20, 20), 0.7), 0), torch.full((1, 20, 20), 0.7))


def test_filters_come_after_the_spatial_transform_and_before_the_scanners_flaws_or_not_at_all() -> None:
    def steps() -> ComposeTransforms:
        spatial = SpatialTransform((8, 8), 0, False)
        return ComposeTransforms([spatial, RandomTransform(GaussianBlurTransform((0.5, 1.0)), 0.2)])

    with_filters, without = steps(), steps()
    draw_appearance(with_filters, 0.4)
    draw_appearance(without, 0)
    assert len(without.transforms) == 2
    _, step, blur = with_filters.transforms
    assert isinstance(step.transform, RandomFilters) and step.apply_probability == 0.4
    assert isinstance(blur.transform, GaussianBlurTransform)
