import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import nn

from tanq_monai.networks.blocks import BlurPool, reflect
from tanq_monai.networks.convolutions import FromOneChannel, RowByRow


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5)])
def test_blur_pool_is_a_binomial_filter_at_every_other_pixel(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = np.outer([1, 2, 1], [1, 2, 1])[None, None] / 16
    expected = convolve(x.numpy(), kernel, mode="mirror")[:, :, ::2, ::2]
    np.testing.assert_allclose(BlurPool().double()(x).numpy(), expected, atol=1e-12)


def test_blur_pool_adds_nothing_to_a_state_dict():
    assert BlurPool().state_dict() == {}


@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_gradients_of_blur_pool_and_reflection_are_right(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(BlurPool().double(), (x,), fast_mode=True)
    assert torch.autograd.gradcheck(lambda x: reflect(x, 3), (x,), fast_mode=True)
    np.testing.assert_array_equal(
        reflect(x, 3).detach().numpy(), np.pad(x.detach().numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), mode="reflect")
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_row_by_row_is_the_convolution_with_the_same_weights(channels):
    convolution, by_row = (kind(4, channels, (7, 5)).double() for kind in (nn.Conv2d, RowByRow))
    by_row.load_state_dict(convolution.state_dict())
    x = torch.randn(2, 4, 12, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    results = []
    for layer in (convolution, by_row):
        y = layer(x)
        results.append([y, *torch.autograd.grad(y.sin().sum(), [x, *layer.parameters()])])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("kernel", "padding"), [(7, 0), (4, 1), ((3, 5), (1, 2))])
def test_from_one_channel_is_the_convolution_with_the_same_weights(kernel, padding):
    convolution, images = (kind(1, 4, kernel, padding=padding).double() for kind in (nn.Conv2d, FromOneChannel))
    images.load_state_dict(convolution.state_dict())
    x = torch.randn(2, 1, 12, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    results = []
    for layer in (convolution, images):
        y = layer(x)
        results.append([y, *torch.autograd.grad(y.sin().sum(), [x, *layer.parameters()])])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(images(x.detach()), results[0][0], rtol=1e-10, atol=1e-12)
