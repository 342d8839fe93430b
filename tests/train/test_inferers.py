"""The inferers: order of slices and phases, sizes, and number format."""

from __future__ import annotations

import torch

from pipeline.train.inferers import AutocastInferer, CineInferer, autocast, cpu_is_fast_at_bfloat16


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
