"""3D U-Net and V-Net: published parameters, any number of slices, what is pooled and what is padded."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.volumetric import UNet3D, VNet


def test_3d_unet_has_the_published_parameters() -> None:
    network = UNet3D(3, 3)
    scales = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.BatchNorm3d))
    assert sum(p.numel() for p in network.parameters()) - scales == 19_069_955


def test_3d_unet_widths() -> None:
    network = UNet3D(1, 2, base_channels=4)
    down = [[conv.conv.out_channels for conv in convs] for convs in network.contracting]
    up = [[conv.conv.in_channels for conv in convs] for convs in network.expanding]
    assert down == [[4, 8], [8, 16], [16, 32], [32, 64]]
    assert up == [[64 + 32, 32], [32 + 16, 16], [16 + 8, 8]]


def test_receptive_field_of_the_3d_unet_in_the_plane(path_extent, probed_extent) -> None:
    convs, up, pool = [("conv", 3, 1, 1)] * 2, [("transposed", 2, 2, 0)], [("conv", 2, 2, 0)]
    path = convs + up + convs + up + convs + pool + convs + pool + convs
    expected = path_extent(path, at=32)
    assert expected == 44
    assert probed_extent(UNet3D(1, 1, base_channels=1, z_pooling=(2, 1)), 64) == expected


@pytest.mark.parametrize("slices", [1, 6, 11, 18])
def test_any_number_of_slices(slices: int, assert_sizes_kept) -> None:
    assert_sizes_kept(UNet3D(1, 3, base_channels=2), [(17, 24, slices)], 3)
    assert_sizes_kept(UNet3D(1, 3, base_channels=2, z_pooling=(1, 2)), [(17, 24, slices)], 3)


@pytest.mark.parametrize(
    ("z_pooling", "bottom"), [((2, 2, 2), (2, 3, 2)), ((1, 1, 2), (2, 3, 5)), ((1, 1), (4, 5, 10))]
)
def test_slices_are_pooled_as_asked_for(z_pooling: tuple[int, ...], bottom: tuple[int, ...]) -> None:
    network = UNet3D(1, 2, base_channels=1, z_pooling=z_pooling).eval()
    seen: list[torch.Size] = []
    network.contracting[-1].register_forward_hook(lambda _, __, out: seen.append(out.shape[2:]))
    with torch.inference_mode():
        network(torch.zeros(1, 1, 16, 20, 10))
    assert seen == [bottom]


def test_skips_of_the_3d_unet_are_concatenated() -> None:
    network = UNet3D(1, 2, base_channels=1, z_pooling=(1,)).eval()
    seen: dict[str, torch.Tensor] = {}
    network.contracting[0].register_forward_hook(lambda _, __, out: seen.update(skip=out))
    network.expanding[0].register_forward_hook(lambda _, inputs, __: seen.update(joined=inputs[0]))
    with torch.inference_mode():
        network(torch.randn(1, 1, 8, 8, 3))
    assert seen["joined"].shape[1] == 2 + 4
    torch.testing.assert_close(seen["joined"][:, :2], seen["skip"])


def test_3d_unet_learns_and_exports(assert_learns, assert_exports) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 1, 16, 16, 6)
    assert_learns(UNet3D(1, 3, base_channels=2), x, 3)
    assert_exports(UNet3D(1, 3, base_channels=2), x)


def test_vnet_is_fed_multiples_of_16_and_cropped() -> None:
    network = VNet(1, 2).eval()
    seen: list[torch.Size] = []
    network.network.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape))
    x = torch.randn(1, 1, 18, 16, 6)
    with torch.inference_mode():
        y = network(x)
        assert seen == [(1, 1, 32, 16, 16)]
        torch.testing.assert_close(y, centre_crop(network.network(pad_to_multiple(x, (16, 16, 16))), x))
    assert y.shape == (1, 2, 18, 16, 6)


def test_vnet_learns_and_exports(assert_learns, assert_exports) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 1, 16, 16, 7)
    network = VNet(1, 2, dropout=0.0)
    assert_learns(network, x, 2)
    assert_exports(network, x)


def test_dropout_of_the_vnet_reaches_every_layer_that_drops() -> None:
    drops = [m.p for m in VNet(1, 2, dropout=0.25).modules() if isinstance(m, nn.Dropout3d)]
    assert drops == [0.25] * len(drops)
    assert len(drops) == 8  # two on the way down, two on the way up, four on the skips


def _gradients(network: nn.Module, x: torch.Tensor, *, half: bool) -> list[torch.Tensor]:
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        y = network(x)
    y.float().square().mean().backward()
    return [p.grad for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize(
    ("make", "size"),
    [(lambda: UNet3D(1, 2, base_channels=2), (16, 16, 5)), (lambda: VNet(1, 2, dropout=0.0), (16, 32, 5))],
)
def test_small_images_keep_full_precision_on_a_cpu(make, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network, x = make().train(), torch.randn(2, 1, *size)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(x).dtype == torch.float32
    for half, full in zip(_gradients(network, x, half=True), _gradients(network, x, half=False), strict=True):
        torch.testing.assert_close(half, full, rtol=1e-3, atol=1e-4)


def test_larger_images_train_in_bfloat16() -> None:
    torch.manual_seed(0)
    network = UNet3D(1, 2, base_channels=2).to(memory_format=torch.channels_last_3d).train()
    x = torch.randn(2, 1, 24, 32, 5).to(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(x).dtype == torch.bfloat16
    half, full = (torch.cat([g.flatten() for g in _gradients(network, x, half=which)]) for which in (True, False))
    assert half.isfinite().all()
    assert torch.cosine_similarity(half, full, dim=0) > 0.9


def test_the_vnet_takes_bfloat16_from_80_pixels_on() -> None:
    network = VNet(1, 2).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert network(torch.zeros(1, 1, 65, 80, 3)).dtype == torch.bfloat16
        assert network(torch.zeros(1, 1, 64, 80, 3)).dtype == torch.float32


@pytest.mark.parametrize("settings", [{"z_pooling": ()}, {"z_pooling": (3,)}, {"base_channels": 0}])
def test_3d_unet_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="3D U-Net needs"):
        UNet3D(1, 2, **settings)


def test_vnet_refuses_channels_that_do_not_divide_16() -> None:
    with pytest.raises(ConfigError, match="V-Net takes"):
        VNet(3, 2)
