import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from tanq_monai.networks.blocks import BlurPool


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5)])
def test_blur_pool_is_a_binomial_filter_at_every_other_pixel(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = np.outer([1, 2, 1], [1, 2, 1])[None, None] / 16
    expected = convolve(x.numpy(), kernel, mode="mirror")[:, :, ::2, ::2]
    np.testing.assert_allclose(BlurPool().double()(x).numpy(), expected, atol=1e-12)


def test_blur_pool_adds_nothing_to_a_state_dict():
    assert BlurPool().state_dict() == {}
