"""LinkNet and its FPN sibling: sums, quarters of channels, four scales."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.linknet import LinkNet, LinkNetFPN


def test_linknet_on_resnet18_has_about_the_published_11_5_million() -> None:
    assert sum(p.numel() for p in LinkNet(3, 20, backbone="resnet18").parameters()) == pytest.approx(11.5e6, rel=0.01)


def test_linknet_34_by_hand() -> None:
    # a block: n*n/4 + 9*(n/4)^2 + n/4*m weights, 2 a channel of normalisation; head 9*64*32 + 9*32*32 + 32*2 + 2
    blocks = [(512, 256), (256, 128), (128, 64), (64, 64)]
    decoder = sum(n * n // 4 + 9 * (n // 4) ** 2 + n // 4 * m + 2 * (n // 2 + m) for n, m in blocks)
    head = 9 * 64 * 32 + 64 + 9 * 32 * 32 + 64 + 32 * 2 + 2
    assert sum(p.numel() for p in LinkNet(3, 2).parameters()) == 21_284_672 + decoder + head


def test_skips_are_added() -> None:
    network = LinkNet(1, 2, backbone="resnet18").eval()
    seen: dict[str, torch.Tensor] = {}
    stages = (network.backbone.layer3, network.backbone.layer2, network.backbone.layer1)
    for index, stage in enumerate(stages):
        stage.register_forward_hook(lambda _, __, out, index=index: seen.update({f"stage{index}": out.clone()}))
    for index, block in enumerate(network.blocks):
        block.register_forward_hook(
            lambda _, inputs, out, index=index: seen.update({f"in{index}": inputs[0], f"out{index}": out.clone()})
        )
    with torch.inference_mode():
        network(torch.randn(1, 1, 64, 96))
    for index in range(3):
        torch.testing.assert_close(seen[f"in{index + 1}"], seen[f"out{index}"] + seen[f"stage{index}"])
    assert seen["out3"].shape == (1, 64, 32, 48)


def test_blocks_work_at_a_quarter_of_the_channels() -> None:
    for block, width in zip(LinkNet(1, 2, backbone="resnet50").blocks, (2048, 1024, 512, 256), strict=True):
        up = next(m for m in block.modules() if isinstance(m, nn.ConvTranspose2d))
        assert (up.in_channels, up.out_channels, up.stride) == (width // 4, width // 4, (2, 2))


def test_pyramid_has_four_scales_and_leaves_smoothing_to_the_decoder() -> None:
    network = LinkNetFPN(1, 2, backbone="resnet18", pyramid_channels=8, scale_channels=4).eval()
    with torch.inference_mode():
        levels = network.pyramid(network.backbone.stages(torch.randn(1, 1, 64, 96))[1:])
    assert [level.shape[1:] for level in levels] == [(8, 16, 24), (8, 8, 12), (8, 4, 6), (8, 2, 3)]
    assert sum(p.numel() for p in network.pyramid.parameters()) == (64 + 128 + 256 + 512 + 4) * 8  # 1x1 with biases


def test_the_four_scales_are_concatenated_before_the_classifier() -> None:
    network = LinkNetFPN(1, 2, backbone="resnet18", pyramid_channels=8, scale_channels=4).eval()
    seen: list[torch.Size] = []
    network.join.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape))
    with torch.inference_mode():
        network(torch.randn(1, 1, 64, 96))
    assert seen == [(1, 4 * 4, 16, 24)]


@pytest.mark.parametrize("make", [LinkNet, LinkNetFPN])
def test_unknown_backbones_are_refused(make: type) -> None:
    with pytest.raises(ConfigError, match="backbone"):
        make(1, 2, backbone="vgg16")
