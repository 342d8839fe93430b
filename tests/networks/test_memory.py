"""The memory layout that networks are converted to: the fastest that trains rightly."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.networks.fullnet import FullNet
from pipeline.networks.memory import fastest_format
from pipeline.networks.registry import NETWORKS, build_network

_CPU = torch.device("cpu")


def test_channels_come_last_in_two_dimensions_and_in_three() -> None:
    assert (
        fastest_format(nn.Sequential(nn.Conv2d(1, 20, 3), nn.Conv2d(20, 2, 3)), _CPU, trains=True)
        == torch.channels_last
    )
    assert fastest_format(nn.Sequential(nn.Conv3d(1, 20, 3, dilation=2)), _CPU, trains=True) == torch.channels_last_3d


@pytest.mark.parametrize(
    ("convolution", "right"),
    [
        (nn.Conv2d(32, 8, 3, dilation=2), True),
        (nn.Conv2d(12, 8, 3, dilation=2), True),
        (nn.Conv2d(20, 8, 3, dilation=(1, 2)), True),
        (nn.Conv2d(32, 8, 3, groups=2, dilation=2), True),
        (nn.Conv2d(20, 8, 3, dilation=2), False),
        (nn.Conv2d(48, 8, 3, groups=2, dilation=2), False),
        (nn.Conv2d(8, 8, 3, groups=8, dilation=2), False),
    ],
)
def test_dilated_convolutions_of_uneven_width_stay_as_they_are_on_a_cpu(convolution: nn.Conv2d, right: bool) -> None:
    network = nn.Sequential(convolution)
    layout = torch.channels_last if right else torch.contiguous_format
    assert fastest_format(network, _CPU, trains=True) == layout
    assert fastest_format(network, _CPU, trains=False) == torch.channels_last
    assert fastest_format(network, torch.device("cuda"), trains=True) == torch.channels_last


def test_of_the_named_networks_only_fullnet_does_so() -> None:
    with torch.device("meta"):
        formats = {name: fastest_format(build_network(name, 1, 4), _CPU, trains=True) for name in NETWORKS}
    assert {name for name, layout in formats.items() if layout == torch.contiguous_format} == {"fullnet"}
    assert {name for name, layout in formats.items() if layout == torch.channels_last_3d} == {"unet3d", "vnet"}


def test_gradients_in_bfloat16_are_those_of_full_precision() -> None:
    torch.manual_seed(0)
    network, x = FullNet(1, 2, growth=20, n_layers=2, dilations=(1, 2), dropout=0.0), torch.randn(2, 1, 64, 64)
    network = network.to(memory_format=fastest_format(network, _CPU, trains=True)).train()
    gradients = []
    for half in (True, False):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = network(x)
        y.float().square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99
