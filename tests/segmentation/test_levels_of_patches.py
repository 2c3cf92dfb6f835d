"""Structures of a patch get levels from the range of a protocol, and nothing beyond a voxel from them changes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from scipy import ndimage

from tanq_monai.errors import InputError
from tanq_monai.segmentation.training.appearance import draw_appearance
from tanq_monai.segmentation.training.levels import RandomLevels, draw_levels
from tanq_monai.segmentation.training.patches import PatchLoader
from tanq_monai.structures import STRUCTURES, Structures

RANGES = {(1,): (0.26, 0.59), (2,): (0.30, 1.00)}


def patch(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, z-scored, with a VS and a cochlea that touch."""
    image = torch.randn(1, *size, generator=torch.Generator().manual_seed(0)) * 2 + 5
    labels = torch.zeros(1, *size, dtype=torch.int16)
    labels[..., 4:9, 5:11] = 1
    labels[..., 9:12, 7:10] = 2
    return image, labels


class Dataset:
    """nnU-Net's, of cases with one and the same slice."""

    identifiers = ("real", "translated")

    def load_case(self, name: str) -> tuple[np.ndarray, np.ndarray, None, dict[str, object]]:
        image, labels = patch(1, 20, 22)
        return image.numpy(), labels.numpy(), None, {"class_locations": {1: np.argwhere(labels.numpy() == 1)}}


def patches(transforms: ComposeTransforms) -> PatchLoader:
    """nnU-Net's loader of batches of two patches of 20 x 22 pixels."""
    known = SimpleNamespace(all_labels=[1, 2], has_ignore_label=False)
    return PatchLoader(Dataset(), 2, (20, 22), (20, 22), known, 1.0, transforms=transforms)


def drawn(transform: RandomLevels, image: torch.Tensor, labels: torch.Tensor, seed: int) -> np.ndarray:
    torch.manual_seed(seed)
    done = transform(image=image, segmentation=labels)
    assert done["segmentation"] is labels
    return done["image"][0].double().numpy()


@pytest.mark.parametrize("size", [(20, 22), (6, 20, 22)])
def test_the_mean_of_every_structure_is_in_its_range_and_the_shift_fades_out_over_a_voxel(size) -> None:
    image, labels = patch(*size)
    before, label = image[0].double().numpy(), labels[0].numpy()
    dark, fluid = np.percentile(before, [0.5, 99.5], method="nearest")
    for seed in range(5):
        after, expected = drawn(RandomLevels([RANGES]), image, labels, seed), before.copy()
        for (value,), (low, high) in RANGES.items():
            inside = label == value
            level = (after[inside].mean() - dark) / (fluid - dark)
            assert low <= level <= high
            weight = ndimage.uniform_filter(inside.astype(float), 3, mode="constant") * (inside | (label == 0))
            expected += weight * (after[inside].mean() - before[inside].mean()) / weight[inside].mean()
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-4)
        far = ~ndimage.binary_dilation(label > 0, np.ones((3,) * len(size)))
        np.testing.assert_array_equal(after[far], image[0].numpy()[far])


def test_both_ends_of_a_range_are_reached_and_the_levels_of_a_patch_are_of_one_protocol() -> None:
    image, labels = patch(20, 22)
    dark, fluid = np.percentile(image[0].numpy(), [0.5, 99.5], method="nearest")
    transform, found = RandomLevels([{(1,): (0.0, 0.2), (2,): (0.4, 0.5)}, {(1,): (0.8, 1.0), (2,): (0.6, 0.7)}]), []
    for seed in range(200):
        after = drawn(transform, image, labels, seed)
        found.append([(after[labels[0].numpy() == value].mean() - dark) / (fluid - dark) for value in (1, 2)])
    vs, cochlea = np.array(found).T
    first = vs < 0.5
    assert 70 < first.sum() < 130
    for levels, low, high in ((vs[first], 0, 0.2), (vs[~first], 0.8, 1), (cochlea[first], 0.4, 0.5)):
        assert low - 1e-5 <= levels.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < levels.max() <= high + 1e-5
    assert cochlea[first].max() < 0.55 < cochlea[~first].min()


def test_a_patch_without_structures_stays_as_it_is() -> None:
    image, labels = patch(20, 22)
    assert torch.equal(RandomLevels([RANGES])(image=image, segmentation=labels * 0)["image"], image)


def test_levels_are_drawn_before_filters_and_flaws_by_the_names_of_structures_or_not_at_all() -> None:
    def loader() -> PatchLoader:
        spatial = SpatialTransform((8, 8), 0, False)
        return patches(ComposeTransforms([spatial, RandomTransform(GaussianBlurTransform((0.5, 1.0)), 0.2)]))

    made, without = loader(), loader()
    draw_appearance(made.transforms, 0.4)
    parts = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    draw_levels(made, [{"VS": [0.26, 0.59], "cochlea": [0.3, 1.0]}], parts)
    draw_levels(without, None, STRUCTURES)
    assert len(without.transforms.transforms) == 2
    _, levels, filters, _ = made.transforms.transforms
    assert levels.protocols == [{(1, 2): (0.26, 0.59), (3,): (0.3, 1.0)}]
    assert filters.apply_probability == 0.4


def test_levels_of_what_is_no_structure_are_refused() -> None:
    with pytest.raises(InputError, match=r"^level_ranges: 'nerve' is none of the structures; name VS, cochlea$"):
        draw_levels(patches(ComposeTransforms([])), [{"nerve": [0.1, 0.2]}], STRUCTURES)


def test_real_scans_keep_their_levels_and_translations_beside_them_do_not() -> None:
    loader = patches(ComposeTransforms([RandomTransform(GaussianBlurTransform((0.5, 1.0)), 0.0)]))
    draw_levels(loader, [{"VS": [0.0, 0.01]}], STRUCTURES, real=frozenset({"real"}))
    image = patch(1, 20, 22)[0][0]
    np.random.seed(0)  # noqa: NPY002 - nnU-Net draws from the global generator
    changed: dict[str, set[bool]] = {"real": set(), "translated": set()}
    for batch in (next(loader) for _ in range(10)):
        for name, one in zip(batch["keys"], batch["data"], strict=True):
            changed[name].add(not torch.equal(one, image))
    assert changed == {"real": {False}, "translated": {True}}
