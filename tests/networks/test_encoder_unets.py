"""TernausNet and AlbuNet: parameters, what is concatenated where, the pooled centre."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.networks.encoder_unets import AlbuNet, TernausNet


def _concatenated(network: TernausNet | AlbuNet) -> list[int]:
    blocks = [network.centre, *network.blocks]
    return [*[block.conv.in_channels for block in blocks], network.last[0].in_channels]


def test_ternausnet_11_has_the_parameters_of_its_authors_but_for_the_4x4_kernels() -> None:
    # 22,927,393 with 3x3 up-convolutions; 7 weights more for each pair of channels
    pairs = 512 * 256 + 512 * 256 + 512 * 128 + 256 * 64 + 128 * 32
    assert sum(p.numel() for p in TernausNet(3, 1).parameters()) == 22_927_393 + 7 * pairs


def test_ternausnet_16_by_hand() -> None:
    convs = [(512, 512), (768, 512), (768, 512), (512, 256), (192, 128), (96, 32)]
    ups = [(512, 256), (512, 256), (512, 256), (256, 64), (128, 32)]
    decoder = sum(9 * a * b + b for a, b in convs) + sum(16 * a * b + b for a, b in ups) + 32 + 1
    assert sum(p.numel() for p in TernausNet(3, 1, backbone="vgg16").parameters()) == 14_714_688 + decoder


def test_channels_before_each_block() -> None:
    assert _concatenated(TernausNet(1, 2)) == [512, 512 + 256, 512 + 256, 256 + 128, 128 + 64, 64 + 32]
    assert _concatenated(AlbuNet(1, 2)) == [512, 512 + 256, 256 + 256, 128 + 256, 64 + 64, 128, 32]


@pytest.mark.parametrize(
    ("make", "sizes"),
    [(TernausNet, [2, 4, 8, 16, 32, 64]), (AlbuNet, [1, 2, 4, 8, 16, 32, 64])],
)
def test_centre_starts_from_the_pooled_deepest_features(make: type, sizes: list[int]) -> None:
    network = make(1, 2, filters=1, **({"backbone": "resnet18"} if make is AlbuNet else {})).eval()
    seen: list[int] = []
    for block in [network.centre, *network.blocks, network.last]:
        block.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-1]))
    with torch.inference_mode():
        network(torch.zeros(1, 1, 64, 64))
    assert seen == sizes


def test_skips_are_the_encoders_maps() -> None:
    network = AlbuNet(1, 2, backbone="resnet18", filters=1).eval()
    seen: dict[str, torch.Tensor] = {}
    network.backbone.layer3.register_forward_hook(lambda _, __, out: seen.update(stage=out))
    network.blocks[1].register_forward_hook(lambda _, inputs, __: seen.update(joined=inputs[0]))
    with torch.inference_mode():
        network(torch.randn(1, 1, 64, 64))
    torch.testing.assert_close(seen["joined"][:, :256], seen["stage"])


def test_up_convolutions_double() -> None:
    for block in (AlbuNet(1, 2, backbone="resnet18").centre, *TernausNet(1, 2).blocks):
        assert (block.up.kernel_size, block.up.stride, block.up.padding) == ((4, 4), (2, 2), (1, 1))


@pytest.mark.parametrize("make", [TernausNet, AlbuNet])
def test_the_other_familys_backbones_are_refused(make: type) -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        make(1, 2, backbone="vgg11" if make is AlbuNet else "resnet34")
