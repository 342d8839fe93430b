"""The inferers: order of slices and phases, sizes, and number format."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.infer.cine import CineInferer
from pipeline.infer.precision import AutocastInferer, autocast, cpu_is_fast_at_bfloat16
from pipeline.infer.rotation import rotate


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


def test_a_bright_organ_larger_than_the_heart_does_not_draw_the_focus() -> None:
    cine = torch.zeros(1, 1, 96, 48, 2)
    cine[0, 0, 2:30, 2:40] = 3.0  # one class alone, larger
    cine[0, 0, 70:76, 20:30], cine[0, 0, 76:80, 20:30] = 1.0, 2.0

    def by_value(slices: torch.Tensor) -> torch.Tensor:
        return torch.cat([-((slices - value) ** 2) for value in range(4)], dim=1)

    found = CineInferer((48, 48), amp=False, focus=True)(cine, by_value)[0].argmax(0)
    assert (found[70:76, 20:30] == 1).all()
    assert (found[76:80, 20:30] == 2).all()
    assert not found[:30].any()


def test_networks_with_auxiliary_outputs_give_them_in_float32() -> None:
    outputs = AutocastInferer()(torch.randn(1, 1, 8, 8), lambda x: (x.bfloat16(), x[..., ::2].bfloat16()))
    assert [(one.dtype, one.shape[-1]) for one in outputs] == [(torch.float32, 8), (torch.float32, 4)]


def test_logits_are_refined_by_the_slice_they_are_of() -> None:
    cine = torch.randn(1, 1, 16, 16, 3)
    seen = []

    def refine(logits: torch.Tensor, slices: torch.Tensor) -> torch.Tensor:
        seen.append(slices)
        return logits + 1

    inferer = CineInferer((16, 16), amp=False, context=1, refine=refine)
    logits = inferer(cine, lambda x: x[:, 1:2])
    torch.testing.assert_close(logits, cine + 1)
    torch.testing.assert_close(torch.cat(seen)[:, 0], cine[0, 0].permute(2, 0, 1))


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


def _bright_is_heart(slices: torch.Tensor) -> torch.Tensor:
    """A network of two classes that calls bright pixels heart."""
    return torch.cat([torch.zeros_like(slices), 4 * slices - 2], dim=1)


def _count_pixels(network: Callable[[torch.Tensor], torch.Tensor]) -> tuple[list[int], Callable[..., torch.Tensor]]:
    seen: list[int] = []

    def counting(slices: torch.Tensor) -> torch.Tensor:
        seen.append(slices.numel())
        return network(slices)

    return seen, counting


def test_focus_looks_at_the_heart_alone_and_finds_the_same() -> None:
    cine = torch.zeros(1, 6, 150, 130, 2)
    cine[0, :, 90:110, 20:45] = 1.0
    seen, network = _count_pixels(_bright_is_heart)
    whole, focused = (CineInferer((64, 64), amp=False, focus=focus) for focus in (False, True))
    expected = whole(cine, network).unflatten(1, (6, 2)).argmax(2)
    cost = sum(seen)
    seen.clear()
    found = focused(cine, network).unflatten(1, (6, 2)).argmax(2)
    torch.testing.assert_close(found, expected)
    assert found.sum() == 6 * 20 * 25 * 2
    assert sum(seen) < cost / 3


def test_a_heart_that_every_window_cuts_is_found_in_the_middle_one() -> None:
    """Windows of 64 begin at 0, 48 and 86: none holds the heart, whose parts the network does not know; a vessel is."""
    cine = torch.zeros(1, 2, 150, 130, 2)
    cine[0, :, 45:105, 45:90] = 1.0
    cine[0, 0, 5:9, 5:9] = 1.0

    def whole_alone(slices: torch.Tensor) -> torch.Tensor:
        bright = (slices > 0.5).sum(dim=(1, 2, 3), keepdim=True)
        return _bright_is_heart(slices * ((bright == 60 * 45) | (bright <= 16)))

    found = CineInferer((64, 64), amp=False, focus=True)(cine, whole_alone).unflatten(1, (2, 2)).argmax(2)
    assert found[0, :, 45:105, 45:90].all()
    assert found.sum() == 2 * 2 * 60 * 45


def test_focus_knows_the_background_by_its_class() -> None:
    cine = torch.zeros(1, 2, 150, 130, 3)
    cine[0, :, 90:110, 20:45] = 1.0

    def bright_is_first(slices: torch.Tensor) -> torch.Tensor:
        return _bright_is_heart(slices).flip(1)

    seen, network = _count_pixels(bright_is_first)
    inferer = CineInferer((64, 64), amp=False, focus=True, background=1)
    found = inferer(cine, network).unflatten(1, (2, 2)).argmax(2)
    torch.testing.assert_close(found, 1 - (cine > 0.5).long())
    assert sum(seen) < 3 * cine.numel()  # one slice of three in windows, and then one window a slice


def test_poses_need_the_background_as_class_0() -> None:
    with pytest.raises(ConfigError, match="`poses` needs the background as class 0, got 1"):
        CineInferer((64, 64), poses=True, background=1)


def test_a_stray_piece_does_not_distract_from_the_heart() -> None:
    cine = torch.zeros(1, 2, 150, 130, 3)
    cine[0, :, 90:110, 20:45] = 1.0
    cine[0, 0, 5:8, 120:123, 2] = 1.0
    found = CineInferer((64, 64), amp=False, focus=True)(cine, _bright_is_heart).unflatten(1, (2, 2)).argmax(2)
    assert found.sum() == 2 * 3 * 20 * 25


def test_the_heart_is_looked_for_in_the_middle_half_of_the_slices() -> None:
    cine = torch.zeros(1, 1, 150, 130, 8)
    cine[0, :, 110:130, 20:45, 3:5] = 1.0
    cine[0, :, 50:80, 75:105, :2] = 1.0  # larger, nearer to the middle, and below the heart
    found = CineInferer((64, 64), amp=False, focus=True)(cine, _bright_is_heart)[0].argmax(0)
    assert found.sum(dim=(0, 1)).tolist() == [0, 0, 0, 500, 500, 0, 0, 0]


def test_neighbours_stand_beside_their_slice() -> None:
    cine = torch.randn(1, 2, 16, 16, 4)
    before, itself, after = (
        CineInferer((16, 16), amp=False, context=1)(cine, torch.nn.Identity()).unflatten(1, (2, 3)).unbind(2)
    )
    torch.testing.assert_close(itself, cine)
    torch.testing.assert_close(before, cine[..., [0, 0, 1, 2]])
    torch.testing.assert_close(after, cine[..., [1, 2, 3, 3]])


@pytest.mark.parametrize("edge", [slice(0, 10), slice(140, 150)])
def test_focus_reaches_the_edge_of_the_picture(edge: slice) -> None:
    cine = torch.zeros(1, 2, 150, 130, 1)
    cine[0, :, edge, 60:70] = 1.0
    found = CineInferer((64, 64), amp=False, focus=True)(cine, _bright_is_heart).unflatten(1, (2, 2)).argmax(2)
    torch.testing.assert_close(found, (cine > 0.5).long())


@pytest.mark.parametrize("spread", [0, 140])
def test_focus_without_one_heart_looks_everywhere(spread: int) -> None:
    """Nothing found, or more than one window holds: as without focus, also for what appears later."""
    cine = torch.zeros(1, 2, 150, 130, 1)
    if spread:
        cine[0, 0, 2:spread, 10] = 1.0
    cine[0, 1, 70:80, 60:70] = 1.0
    found = CineInferer((64, 64), amp=False, focus=True)(cine, _bright_is_heart).unflatten(1, (2, 2)).argmax(2)
    torch.testing.assert_close(found, (cine > 0.5).long())
