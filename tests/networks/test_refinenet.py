"""RefineNet: its units by hand, its four levels."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.arithmetic import receptive_field
from pipeline.networks.refinenet import ChainedResidualPooling, RefineBlock, RefineNet, ResidualConvUnit


def _small(**settings: object) -> RefineNet:
    torch.manual_seed(0)
    return RefineNet(1, 4, **({"backbone": "resnet18", "channels": 8} | settings))


def _pass_through(module: nn.Module) -> None:
    """Every convolution hands its input on."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)


def test_residual_unit_by_hand() -> None:
    unit = ResidualConvUnit(1)
    _pass_through(unit)
    x = torch.tensor([[[[-2.0, 3.0]]]])
    # positive values pass both ReLUs and double, negative ones stay as they are
    torch.testing.assert_close(unit(x), torch.tensor([[[[-2.0, 6.0]]]]))


def test_chained_pooling_by_hand() -> None:
    pooling = ChainedResidualPooling(1)
    _pass_through(pooling)
    x = torch.full((1, 1, 11, 11), -5.0)
    x[0, 0, 5, 5] = 1.0
    expected = torch.zeros(11, 11)
    expected[1:10, 1:10] += 1  # second link: two windows of 5, 9 pixels wide
    expected[3:8, 3:8] += 1  # first link: 5 pixels wide
    expected[5, 5] += 1  # the input after ReLU
    torch.testing.assert_close(pooling(x)[0, 0], expected)


def test_chained_pooling_field_by_formula_and_by_gradient(probed_extent) -> None:
    pooling = ChainedResidualPooling(2)
    assert [(link[0].kernel_size, link[0].stride) for link in pooling.links] == [(5, 1)] * 2
    assert receptive_field([(5, 1, 1), (3, 1, 1)] * 2) == 13
    positive = nn.Conv2d(1, 2, 1)  # keeps the ReLU open
    assert probed_extent(nn.Sequential(positive, pooling), 31) == 13


def test_fusion_sums_the_paths_at_the_finest_size_and_fewest_channels() -> None:
    block = RefineBlock([3, 6])
    assert block.out_channels == 3
    block.units = nn.ModuleList([nn.Identity(), nn.Identity()])
    _pass_through(block.fusion)
    block.pooling = block.output = nn.Identity()
    fine, coarse = torch.randn(1, 3, 8, 9), torch.randn(1, 6, 4, 5)
    resized = functional.interpolate(coarse[:, :3], size=(8, 9), mode="bilinear", align_corners=False)
    torch.testing.assert_close(block([fine, coarse]), fine + resized)


def test_order_within_a_block() -> None:
    block, order = RefineBlock([4, 4]), []
    for name in ("units.0", "units.1", "fusion.0", "fusion.1", "pooling", "output"):
        block.get_submodule(name).register_forward_hook(lambda *_, name=name: order.append(name))
    block([torch.randn(1, 4, 6, 6), torch.randn(1, 4, 3, 3)])
    assert order == ["units.0", "units.1", "fusion.0", "fusion.1", "pooling", "output"]
    assert [len(units) for units in block.units] == [2, 2]


def test_a_single_path_is_not_fused() -> None:
    assert RefineBlock([4]).fusion is None


def test_four_levels_of_the_paper() -> None:
    with torch.device("meta"):
        network = RefineNet(3, 21)
    assert [conv.weight.shape[:2] for conv in network.adapt] == [(512, 2048), (256, 1024), (256, 512), (256, 256)]
    blocks = [network.deepest, *network.finer]
    assert [block.out_channels for block in blocks] == [512, 256, 256, 256]
    assert [len(block.units) for block in blocks] == [1, 2, 2, 2]
    assert [len(block.output) for block in blocks] == [1, 1, 1, 3]


def test_parameters_by_hand() -> None:
    def conv(n_in: int, n_out: int) -> int:
        return n_in * n_out * 9 + n_out

    adapt = conv(512, 16) + conv(256, 8) + conv(128, 8) + conv(64, 8)
    deepest = 3 * 2 * conv(16, 16) + 2 * conv(16, 16)
    third = 2 * 2 * conv(16, 16) + 3 * 2 * conv(8, 8) + conv(8, 8) + conv(16, 8) + 2 * conv(8, 8)
    second = 5 * 2 * conv(8, 8) + 2 * conv(8, 8) + 2 * conv(8, 8)
    first = second + 2 * 2 * conv(8, 8)
    expected = 11_176_512 - 2 * 64 * 49 + adapt + deepest + third + second + first + conv(8, 4)
    assert sum(p.numel() for p in _small().parameters()) == expected


def test_each_level_is_refined_with_the_one_below() -> None:
    network = _small().eval()
    seen: list[tuple[list[torch.Tensor], torch.Tensor]] = []
    for block in [network.deepest, *network.finer]:
        block.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    network(torch.randn(1, 1, 57, 83))
    # strides 32, 16, 8, 4
    assert [tuple(output.shape[1:]) for _, output in seen] == [(16, 2, 3), (8, 4, 6), (8, 8, 11), (8, 15, 21)]
    for (_, below), (paths, _) in itertools.pairwise(seen):
        assert paths[1] is below


def test_any_size_comes_back(assert_sizes_kept) -> None:
    assert_sizes_kept(_small(), [(64, 64), (57, 83), (33, 17)], 4)


def test_learns_in_every_parameter(assert_learns) -> None:
    torch.manual_seed(0)
    assert_learns(_small(), torch.randn(2, 1, 64, 64), 4, rate=0.01)


def test_exports(assert_exports) -> None:
    assert_exports(_small(), torch.randn(2, 1, 40, 57))


def test_batch_of_one_trains_since_no_level_is_pooled_to_one_value() -> None:
    assert _small().train()(torch.randn(1, 1, 64, 64)).shape == (1, 4, 64, 64)


def test_normalisation_trains_in_the_backbone_alone() -> None:
    network = _small().train()
    before = network.backbone.bn1.running_mean.clone()
    network(torch.randn(2, 1, 64, 64))
    assert not torch.equal(network.backbone.bn1.running_mean, before)
    heads = [network.adapt, network.deepest, network.finer]
    assert not any(isinstance(m, nn.BatchNorm2d) for head in heads for m in head.modules())


def test_trains_under_autocast_with_channels_last() -> None:
    network = _small().to(memory_format=torch.channels_last)
    x = torch.randn(2, 1, 40, 40).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(x)
    logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_unknown_backbones_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        _small(backbone="vgg16")
