"""The inferers: order of slices and phases, sizes, and number format."""

from __future__ import annotations

import pytest
import torch

from pipeline.train.inferers import AutocastInferer, CineInferer, autocast, cpu_is_fast_at_bfloat16, rotate


def _two_channels(slices: torch.Tensor) -> torch.Tensor:
    """A network that works pixel by pixel: the image itself, and its negative."""
    return torch.cat([slices, -slices], dim=1)


def test_cine_comes_back_phase_major_at_its_own_size() -> None:
    cine = torch.randn(1, 3, 21, 34, 5)  # larger than the window along Y, smaller along X
    logits = CineInferer((32, 32), batch_slices=4, amp=False)(cine, _two_channels)
    assert logits.shape == (1, 6, 21, 34, 5)
    for phase in range(3):
        torch.testing.assert_close(logits[0, 2 * phase], cine[0, phase], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(logits[0, 2 * phase + 1], -cine[0, phase], rtol=1e-5, atol=1e-5)


def test_batches_do_not_change_the_result() -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 4, 3, padding=1).eval()
    cine = torch.randn(2, 2, 16, 16, 3)
    with torch.inference_mode():
        one, many = (CineInferer((16, 16), batch_slices=n, amp=False)(cine, network) for n in (1, 7))
    torch.testing.assert_close(one, many)


def test_logits_are_float32_whatever_the_precision() -> None:
    network = torch.nn.Conv2d(1, 4, 3)
    seen = []
    network.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    assert AutocastInferer(amp=True)(torch.randn(1, 1, 8, 8), network).dtype == torch.float32
    assert AutocastInferer(amp=False)(torch.randn(1, 1, 8, 8), network).dtype == torch.float32
    assert seen == [torch.bfloat16 if cpu_is_fast_at_bfloat16() else torch.float32, torch.float32]


def test_unknown_devices_compute_in_float32() -> None:
    with autocast(torch.device("meta")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("shape", [(32, 32), (40, 24)])
def test_rotation_and_back(shape: tuple[int, int]) -> None:
    x = torch.linspace(-2, 2, shape[0]).view(1, 1, -1, 1)
    y = torch.linspace(-1, 1, shape[1]).view(1, 1, 1, -1)
    image = torch.exp(-((x - 0.3) ** 2) * 4 - (y + 0.2) ** 2 * 6)
    torch.testing.assert_close(rotate(rotate(image, degrees=20), degrees=-20), image, atol=0.05, rtol=0)
    assert rotate(image, degrees=0) is image
    if shape[0] == shape[1]:
        turned = rotate(image, degrees=90)
        assert min((turned - image.rot90(n, (2, 3))).abs().max() for n in (1, -1)) < 1e-4


def test_average_over_turns_of_a_pixelwise_network_is_the_image() -> None:
    x = torch.linspace(0, 3, 32)
    smooth = (torch.sin(x).view(-1, 1) * torch.cos(x).view(1, -1)).view(1, 1, 32, 32, 1)
    logits = CineInferer((32, 32), amp=False, turns_deg=(0, -15, 15))(smooth, _two_channels)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    torch.testing.assert_close(logits[0, :1][inner], smooth[0][inner], atol=0.02, rtol=0)
