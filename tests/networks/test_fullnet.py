"""FullNet: full resolution, dense growth, dilations block by block."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.fullnet import FullNet
from pipeline.networks.layers.arithmetic import receptive_field


def test_parameters_by_hand() -> None:
    expected, width = 9 * 3 * 24 + 48, 24
    for _ in range(7):
        expected += sum(9 * (width + 24 * layer) * 24 + 48 for layer in range(6))
        width += 6 * 24
        expected += width * (width // 2) + 2 * (width // 2)
        width //= 2
    assert width == 143
    expected += 9 * 143 * 3 + 3
    assert sum(p.numel() for p in FullNet(3, 3).parameters()) == expected


def test_dilations_of_the_blocks() -> None:
    convs = [m for m in FullNet(1, 2).modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    rates = [rate for block in (1, 2, 4, 8, 16, 4, 1) for rate in [block] * 6]
    assert [conv.dilation[0] for conv in convs] == [1, *rates, 1]
    assert {conv.stride for conv in convs} == {(1, 1)}


def test_hybrid_dilations_are_given_layer_by_layer() -> None:
    network = FullNet(1, 2, growth=2, n_layers=3, dilations=(1, (1, 2, 5)))
    rates = [m.dilation[0] for m in network.features.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert rates == [1, 1, 1, 1, 1, 2, 5]


def test_a_dense_layer_hands_its_input_on() -> None:
    layer = FullNet(1, 2, growth=4, n_layers=1).features[1].eval()
    x = torch.randn(1, 4, 8, 8)
    y = layer(x)
    assert y.shape == (1, 8, 8, 8)
    torch.testing.assert_close(y[:, :4], x)
    torch.testing.assert_close(y[:, 4:], layer.conv(x))


def test_activation_comes_before_normalisation() -> None:
    assert [type(m) for m in FullNet(1, 2, growth=2, n_layers=1).features[0]] == [
        nn.Conv2d, nn.LeakyReLU, nn.BatchNorm2d,
    ]  # fmt: skip


def test_receptive_field_by_formula_and_by_gradient(probed_extent) -> None:
    layers = [(3, 1, 1)] + [(3, 1, rate) for rate in (1, 2, 4, 8, 16, 4, 1) for _ in range(6)] + [(3, 1, 1)]
    assert receptive_field(layers) == 437
    assert receptive_field([(3, 1, 1), (3, 1, 1), (3, 1, 1), (3, 1, 4), (3, 1, 4), (3, 1, 1)]) == 25
    assert probed_extent(FullNet(1, 1, growth=2, n_layers=2, dilations=(1, 4)), 41) == 25


@pytest.mark.parametrize("dilations", [(), (0,), (1, (1, 2)), (1, ())])
def test_refusals(dilations: tuple) -> None:
    with pytest.raises(ConfigError, match="FullNet needs"):
        FullNet(1, 2, growth=2, n_layers=3, dilations=dilations)
