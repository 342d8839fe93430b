"""DeepLab v1 and v2: rates, strides, summed logits, the image pyramid."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.deeplab_v1_v2 import DeepLabV1, DeepLabV2
from pipeline.networks.layers.arithmetic import receptive_field

PYRAMID = (1.0, 0.75, 0.5)


def _v1(**settings: object) -> DeepLabV1:
    torch.manual_seed(0)
    return DeepLabV1(1, 4, backbone="vgg11", fc_channels=16, **({"batch_norm": True} | settings))


def _v2(backbone: str = "resnet18", **settings: object) -> DeepLabV2:
    torch.manual_seed(0)
    return DeepLabV2(1, 4, backbone=backbone, fc_channels=16, **({"batch_norm": True} | settings))


@pytest.mark.parametrize(
    ("network", "settings", "expected"),
    [
        # VGG-16 and fc6, fc7, fc8: the paper's 20.5 million
        (DeepLabV1, {}, 14_714_688 + 512 * 1024 * 9 + 1024 + 1024 * 1024 + 1024 + 1024 * 21 + 21),
        (DeepLabV2, {"backbone": "vgg16"}, 14_714_688 + 4 * (20_505_429 - 14_714_688)),
        (DeepLabV2, {}, 42_500_160 + 4 * (2048 * 21 * 9 + 21)),
    ],
)
def test_parameters_by_hand(network: type[DeepLabV2], settings: dict, expected: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in network(3, 21, **settings).parameters()) == expected


def test_v1_is_vgg16_with_a_large_field_of_view() -> None:
    with torch.device("meta"):
        network = DeepLabV1(3, 21)
    backbone = network.backbone
    assert [backbone.pool(index).stride for index in range(5)] == [2, 2, 2, 1, 1]
    convs = [[m for m in backbone.stage(index) if isinstance(m, nn.Conv2d)] for index in range(5)]
    assert [len(stage) for stage in convs] == [2, 2, 3, 3, 3]
    assert [{conv.dilation[0] for conv in stage} for stage in convs] == [{1}, {1}, {1}, {1}, {2}]
    (branch,) = network.aspp
    fc6, fc7, fc8 = (layer for layer in branch if isinstance(layer, nn.Conv2d))
    assert (fc6.kernel_size, fc6.dilation, fc6.out_channels) == ((3, 3), (12, 12), 1024)
    assert (fc7.kernel_size, fc7.out_channels) == ((1, 1), 1024)
    assert (fc8.kernel_size, fc8.out_channels) == ((1, 1), 21)


def test_field_of_view_after_pool4_by_formula_and_by_gradient(probed_extent) -> None:
    # VGG-11's two convolutions of dilation 2, pool5 of stride 1, fc6 of rate 12
    expected = receptive_field([(3, 1, 2), (3, 1, 2), (3, 1, 1), (3, 1, 12)])
    assert expected == 35
    network = _v1()
    after_pool4 = nn.Sequential(network.backbone.stage(4), network.backbone.pool(4), network.aspp[0])
    assert probed_extent(after_pool4, 41, channels=512) == expected


@pytest.mark.parametrize("backbone", ["resnet18", "vgg11"])
def test_v2_has_four_rates_at_output_stride_8(backbone: str) -> None:
    network = _v2(backbone).eval()
    assert network.backbone(torch.randn(1, 1, 48, 64)).shape == (1, 512, 6, 8)
    first = [next(m for m in branch.modules() if isinstance(m, nn.Conv2d)) for branch in network.aspp]
    assert [conv.dilation[0] for conv in first] == [6, 12, 18, 24]
    assert {conv.kernel_size for conv in first} == {(3, 3)}


def test_v2_resnet_is_dilated_without_multi_grid() -> None:
    backbone = _v2().backbone
    assert [block.conv2.dilation[0] for block in backbone.layer3] == [2, 2]
    assert [block.conv2.dilation[0] for block in backbone.layer4] == [4, 4]


@pytest.mark.parametrize("backbone", ["resnet18", "vgg11"])
def test_logits_of_the_branches_are_summed(backbone: str) -> None:
    network = _v2(backbone, rates=(1, 2, 3)).eval()
    x = torch.randn(1, 1, 40, 32)
    with torch.inference_mode():
        together = network(x)
        branches = list(network.aspp)
        alone = []
        for branch in branches:
            network.aspp = nn.ModuleList([branch])
            alone.append(network(x))
    assert all(one.abs().max() > 1e-4 for one in alone)
    torch.testing.assert_close(together, alone[0] + alone[1] + alone[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [_v1, _v2, partial(_v2, "vgg11"), partial(_v2, scales=PYRAMID)])
def test_any_size_comes_back(build: Callable[[], nn.Module], assert_sizes_kept) -> None:
    assert_sizes_kept(build(), [(64, 64), (57, 83), (33, 17), (5, 3)], 4)


def test_odd_sizes_are_padded_not_stretched() -> None:
    network = _v2(rates=(1, 2)).eval()
    x = torch.randn(1, 1, 60, 42)
    padded = functional.pad(x, (3, 3, 2, 2), mode="replicate")
    with torch.inference_mode():
        expected = network(padded)[:, :, 2:-2, 3:-3]
        assert expected.std() > 0.1
        torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize(("build", "rate"), [(_v1, 0.05), (_v2, 0.001), (partial(_v2, "vgg11"), 0.05)])
def test_learns_in_every_parameter(build: Callable[[], nn.Module], rate: float, assert_learns) -> None:
    torch.manual_seed(0)
    assert_learns(build(), torch.randn(2, 1, 48, 48), 4, rate=rate)


@pytest.mark.parametrize("build", [_v1, _v2, partial(_v2, "vgg11"), partial(_v2, scales=PYRAMID)])
def test_exports(build: Callable[[], nn.Module], assert_exports) -> None:
    assert_exports(build(), torch.randn(2, 1, 40, 57))


def _scaled(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def test_pyramid_evaluates_to_the_maximum_over_scales() -> None:
    network = _v2(scales=PYRAMID).eval()
    x = torch.randn(2, 1, 64, 50)
    single = _v2().eval()
    single.load_state_dict(network.state_dict())
    with torch.inference_mode():
        each = [single(x), single(_scaled(x, (48, 37))), single(_scaled(x, (32, 25)))]
        expected = torch.stack([_scaled(one, (64, 50)) for one in each]).amax(dim=0)
        torch.testing.assert_close(network(x), expected)
        assert (expected > each[0]).any()


def test_pyramid_trains_on_the_maximum_and_each_scale() -> None:
    network = _v2(scales=PYRAMID).train()
    maximum, *each = network(torch.randn(2, 1, 64, 50))
    assert maximum.shape == (2, 4, 64, 50)
    assert [tuple(one.shape) for one in each] == [(2, 4, 64, 50), (2, 4, 48, 37), (2, 4, 32, 25)]
    torch.testing.assert_close(maximum, torch.stack([_scaled(one, (64, 50)) for one in each]).amax(dim=0))


def test_one_scale_trains_on_plain_logits() -> None:
    assert _v2().train()(torch.randn(2, 1, 40, 33)).shape == (2, 4, 40, 33)


def test_multi_scale_loss_falls() -> None:
    network = _v2(scales=PYRAMID).train()
    torch.manual_seed(0)
    x, target = torch.randn(2, 1, 40, 40), torch.randint(0, 4, (2, 1, 40, 40)).float()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001)
    losses = []
    for _ in range(4):
        outputs = network(x)
        targets = [functional.interpolate(target, size=one.shape[2:])[:, 0].long() for one in outputs]
        loss = torch.stack([functional.cross_entropy(*pair) for pair in zip(outputs, targets, strict=True)]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_batch_of_one_trains_since_no_level_is_pooled_to_one_value() -> None:
    assert _v2().train()(torch.randn(1, 1, 40, 40)).shape == (1, 4, 40, 40)


@pytest.mark.parametrize("build", [_v1, partial(_v2, scales=PYRAMID)])
def test_trains_under_autocast_with_channels_last(build: Callable[[], nn.Module]) -> None:
    network = build().to(memory_format=torch.channels_last).train()
    x = torch.randn(2, 1, 37, 40).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = network(x)
    logits = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
    logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"backbone": "resnet99"}, "backbone must be one of"),
        ({"rates": ()}, "rates and positive scales"),
        ({"scales": ()}, "rates and positive scales"),
        ({"scales": (1.0, 0.0)}, "rates and positive scales"),
    ],
)
def test_v2_refusals(settings: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        DeepLabV2(1, 2, **settings)


def test_v1_refuses_other_families() -> None:
    with pytest.raises(ConfigError, match="DeepLab v1's backbone"):
        DeepLabV1(1, 2, backbone="resnet18")
