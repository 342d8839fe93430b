"""M-Net: legs, side outputs, and their mean."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.mnet import MNet


def test_parameters_by_hand() -> None:
    # first 10 + 10; leg 9*2 + 2; down 9*(1+2)*2 + 2 and 9*2*2 + 2; up 4*2 + 1; then 9*2 + 1 and 10; side 2 + 2
    expected = 20 + 20 + 56 + 38 + 9 + 19 + 10 + 4
    assert sum(p.numel() for p in MNet(1, 2, base_channels=1, depth=2).parameters()) == expected


def test_legs_see_the_pooled_input_and_are_concatenated() -> None:
    network = MNet(1, 2, base_channels=2, depth=3)
    seen: list[torch.Tensor] = []
    for leg in network.legs:
        leg.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = torch.randn(1, 1, 16, 24)
    network(x)
    torch.testing.assert_close(seen, [functional.avg_pool2d(x, 2), functional.avg_pool2d(x, 4)])
    assert [convs[0].in_channels for convs in network.contracting] == [2 + 4, 4 + 8]


def test_training_gives_a_side_output_a_decoder_level() -> None:
    torch.manual_seed(0)
    network = MNet(1, 3, base_channels=2, depth=4).train()
    x = torch.randn(2, 1, 19, 33)
    fused, *sides = network(x)
    assert [side.shape for side in sides] == [(2, 3, 19, 33)] * 3
    mean = torch.stack([side.softmax(dim=1) for side in sides]).mean(dim=0)
    torch.testing.assert_close(fused.softmax(dim=1), mean)
    torch.testing.assert_close(network.eval()(x), fused)


def test_side_outputs_come_from_each_level() -> None:
    network = MNet(1, 2, base_channels=2, depth=4)
    seen: list[torch.Size] = []
    for side in network.sides:
        side.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape))
    network(torch.randn(1, 1, 16, 16))
    assert seen == [(1, 8, 4, 4), (1, 4, 8, 8), (1, 2, 16, 16)]


@pytest.mark.parametrize("settings", [{"out_channels": 1}, {"depth": 1}, {"base_channels": 0}])
def test_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="M-Net needs"):
        MNet(**{"in_channels": 1, "out_channels": 2, **settings})
