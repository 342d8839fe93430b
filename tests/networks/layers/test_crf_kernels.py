"""Kernels between all pixels against their definition, summed pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch

from pipeline.networks.layers.crf_kernels import BilateralKernel, PixelKernel, PositionKernel


def _matrix(kernel: PixelKernel, size: tuple[int, int]) -> torch.Tensor:
    """Row i: what the kernel gives when pixel i alone is 1."""
    n = math.prod(size)
    return kernel.smooth(torch.eye(n, dtype=torch.double).view(1, n, *size)).reshape(n, n)


def _squared_distances(size: tuple[int, int]) -> torch.Tensor:
    at = torch.cartesian_prod(*(torch.arange(n, dtype=torch.double) for n in size))
    return torch.cdist(at, at) ** 2


@pytest.mark.parametrize("sigma", [0.7, 1.0, 5.0])
def test_position_kernel_is_its_definition(sigma: float) -> None:
    kernel = PositionKernel(torch.zeros(1, 1, 6, 9, dtype=torch.double), sigma)
    expected = torch.exp(-_squared_distances((6, 9)) / (2 * sigma**2))
    torch.testing.assert_close(_matrix(kernel, (6, 9)), expected)
    torch.testing.assert_close(kernel.scale.flatten(), expected.sum(1) ** -0.5)


@pytest.mark.parametrize(("sigma_xy", "sigma_intensity"), [(67.0, 3.0), (4.0, 20.0), (2.0, 10.0)])
@pytest.mark.parametrize(("cells_per_sigma", "tolerance"), [(2, 0.15), (4, 0.035), (6, 0.016)])
def test_bilateral_kernel_nears_its_definition_with_the_square_of_the_resolution(
    sigma_xy: float, sigma_intensity: float, cells_per_sigma: int, tolerance: float
) -> None:
    torch.manual_seed(0)
    intensity = torch.rand(1, 8, 10, dtype=torch.double) * 255
    intensity[0, 0, :2] = torch.tensor([0.0, 255.0])  # both ends of the scale
    differences = intensity.view(-1, 1) - intensity.view(1, -1)
    expected = torch.exp(-_squared_distances((8, 10)) / (2 * sigma_xy**2) - differences**2 / (2 * sigma_intensity**2))
    kernel = BilateralKernel(
        intensity, sigma_xy=sigma_xy, sigma_intensity=sigma_intensity, cells_per_sigma=cells_per_sigma
    )
    found = _matrix(kernel, (8, 10))
    assert (found - expected).abs().max() < tolerance
    torch.testing.assert_close(found, found.T)
    torch.testing.assert_close(kernel.own.expand(1, 1, 8, 10).flatten(), found.diagonal())


def test_a_sum_over_many_pixels_is_closer_still() -> None:
    torch.manual_seed(0)
    intensity = torch.rand(1, 24, 32, dtype=torch.double) * 255
    differences = intensity.view(-1, 1) - intensity.view(1, -1)
    expected = torch.exp(-_squared_distances((24, 32)) / (2 * 8.0**2) - differences**2 / (2 * 15.0**2)).sum(1)
    kernel = BilateralKernel(intensity, sigma_xy=8.0, sigma_intensity=15.0)
    assert (kernel.scale.flatten() ** -2 / expected - 1).abs().max() < 0.01


def test_no_pixel_hears_itself() -> None:
    intensity = torch.tensor([[[0.0, 100.0], [100.0, 255.0]]])
    kernel = BilateralKernel(intensity, sigma_xy=67.0, sigma_intensity=3.0)
    messages = kernel.messages(torch.tensor([[[[1.0, 2.0], [4.0, 8.0]]]]))
    # pixels of value 100 hear one another, k = exp(-2 / 2 67^2) = 0.9998 and n = 1.9998; the others hear nobody
    torch.testing.assert_close(messages[0, 0], torch.tensor([[0.0, 2.0], [1.0, 0.0]]), atol=0.03, rtol=0)


def test_images_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(0)
    intensity, values = torch.rand(2, 5, 7) * 255, torch.randn(2, 3, 5, 7)
    both = BilateralKernel(intensity, sigma_xy=3.0, sigma_intensity=30.0).messages(values)
    for one in range(2):
        alone = BilateralKernel(intensity[one, None], sigma_xy=3.0, sigma_intensity=30.0)
        torch.testing.assert_close(both[one, None], alone.messages(values[one, None]))
