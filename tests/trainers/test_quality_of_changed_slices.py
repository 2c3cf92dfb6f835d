"""What is measured where a translator changes the head, and where not all slices have a value."""

import numpy as np
import pytest
import torch
from tiny import SIZE, InMemory, slices

from tanq_monai.metrics.translation import border_auc, contrast_ratio, head_mask
from tanq_monai.trainers.quality import UnpairedQuality
from tanq_monai.translation.slices import UnpairedSlices


def dataset(source: torch.Tensor) -> UnpairedSlices:
    return UnpairedSlices(InMemory(source), InMemory(slices(len(source), 2, labelled=False)), crop=SIZE, seed=5)


def arrays(data: UnpairedSlices) -> list[tuple[np.ndarray, np.ndarray]]:
    """Source slices, magnitudes in [0, 1], and their labels."""
    items = [data[0, index]["image"].numpy() for index in range(len(data))]
    return [((image + 1) / 2, labels) for image, labels in items]


def test_the_reference_of_the_contrast_is_the_head_of_the_source() -> None:
    """A translator that leaves half of the head black: its own mask would be the other half."""
    data = dataset(slices(4, 1, labelled=True))

    def translate(images: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        translated = images[:, :1].clone()
        translated[..., SIZE // 2 + 4 :] = -0.98
        return translated

    found = UnpairedQuality(data, num_slices=4)(translate).values
    expected: dict[str, list[float]] = {"VS": [], "cochlea": []}
    for image, labels in arrays(data):
        translated = image.copy()
        translated[:, SIZE // 2 + 4 :] = 0.01
        for name, value in (("VS", 1), ("cochlea", 2)):
            expected[name].append(contrast_ratio(translated, labels, value, head_mask(image)))
    for name, values in expected.items():
        assert found[f"contrast_{name}"] == pytest.approx(np.mean(values), rel=1e-5)


def test_slices_in_which_a_structure_is_too_small_are_in_no_mean() -> None:
    source = slices(4, 1, labelled=True)
    vs = source[:2, 1] == 1
    source[:2, 1][vs] = 0
    source[:2, 1, 5, 5:8] = 1  # three pixels have no border to look at
    data = dataset(source)
    values = [border_auc(image, labels, 1) for image, labels in arrays(data)]
    assert np.isnan(values).sum() == 2
    found = UnpairedQuality(data, num_slices=4)(lambda images, style: images[:, :1]).values
    assert found["kept_VS"] == pytest.approx(np.nanmean(values), rel=1e-5)
