"""Cascade: what the second network sees, and what training gets."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.networks.cascade import Cascade
from pipeline.networks.fullnet import FullNet
from pipeline.networks.mnet import MNet
from pipeline.networks.registry import build_network
from pipeline.networks.unet import OriginalUNet

_SMALL = partial(OriginalUNet, base_channels=2, depth=2)


def test_second_network_sees_the_image_and_the_softmax_map() -> None:
    network = Cascade(2, 3, network=_SMALL).train()
    seen: list[torch.Tensor] = []
    network.second.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    x = torch.randn(2, 2, 12, 15)
    second, first = network(x)
    torch.testing.assert_close(seen[0], torch.cat([x, first.softmax(dim=1)], dim=1))
    torch.testing.assert_close(network.second(seen[0]), second)
    torch.testing.assert_close(network.first(x), first)
    torch.testing.assert_close(network.eval()(x), second)


def test_loss_of_the_second_reaches_the_first() -> None:
    network = Cascade(1, 2, network=_SMALL).train()
    network(torch.randn(1, 1, 8, 8))[0].square().sum().backward()
    assert network.first.contracting[0][0].weight.grad.abs().sum() > 0


def test_another_second_network_and_auxiliary_outputs_after_each_main_one() -> None:
    first = partial(MNet, base_channels=2, depth=3)
    network = Cascade(1, 3, network=first, second=partial(FullNet, growth=2, n_layers=1)).train()
    x = torch.randn(2, 1, 8, 8)
    outputs = network(x)
    assert [output.shape for output in outputs] == [(2, 3, 8, 8)] * 4  # second; first, its two sides
    torch.testing.assert_close(outputs[1:], network.first(x))
    assert network.second.features[0][0].in_channels == 1 + 3
    assert network.eval()(x).shape == (2, 3, 8, 8)


def test_networks_by_name() -> None:
    network = Cascade(1, 4)
    assert network.first.in_channels == 1
    assert network.second.in_channels == 1 + 4
    named = build_network("cascade", 1, 4, network="residual_unet", second="enet")
    assert (type(named.first).__name__, type(named.second).__name__) == ("ResidualUNet", "ENet")
    with pytest.raises(ConfigError, match="must be one of"):
        build_network("cascade", 1, 4, network="no_such_network")
