"""What every 2D network of the family must do: keep sizes, learn, export, and train in bfloat16 channels-last."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from pipeline.networks.cascade import Cascade
from pipeline.networks.encoder_unets import AlbuNet, TernausNet
from pipeline.networks.enet import ENet
from pipeline.networks.fullnet import FullNet
from pipeline.networks.linknet import LinkNet, LinkNetFPN
from pipeline.networks.mnet import MNet
from pipeline.networks.multiresolution import MultiResolution
from pipeline.networks.unet import OriginalUNet, ResidualUNet
from pipeline.networks.wnet import WNet

_SMALL = partial(OriginalUNet, base_channels=4, depth=3)
_FAMILY = {
    "unet": _SMALL,
    "unet with normalisation": partial(_SMALL, batch_norm=True, separable=True),
    "residual unet": partial(ResidualUNet, channels=(4, 8, 16), strides=(2, 2)),
    "mnet": partial(MNet, base_channels=4, depth=3),
    "ternausnet": partial(TernausNet, filters=4),
    "albunet": partial(AlbuNet, backbone="resnet18", filters=4),
    "linknet": partial(LinkNet, backbone="resnet18"),
    "linknet fpn": partial(LinkNetFPN, backbone="resnet18", pyramid_channels=16, scale_channels=8),
    "enet": ENet,
    "fullnet": partial(FullNet, growth=4, n_layers=2, dilations=(1, 2, 1)),
    "cascade": partial(Cascade, network=_SMALL),
    "multiresolution": partial(MultiResolution, network=_SMALL),
}


@pytest.fixture(params=_FAMILY)
def network(request) -> nn.Module:
    torch.manual_seed(0)
    return _FAMILY[request.param](1, 3)


def test_any_size_comes_back(network: nn.Module, assert_sizes_kept) -> None:
    assert_sizes_kept(network, [(64, 64), (37, 50), (9, 7)], 3)


def test_learns(network: nn.Module, assert_learns) -> None:
    assert_learns(network, torch.randn(2, 1, 40, 56), 3)


def test_exports(network: nn.Module, assert_exports) -> None:
    assert_exports(network, torch.randn(2, 1, 37, 50))


def test_trains_in_bfloat16_channels_last(network: nn.Module) -> None:
    _assert_half_precision_gradients(network)


def test_wnet_too(assert_sizes_kept, assert_exports) -> None:
    network = WNet(1, 3, base_channels=4, depth=3)
    assert_sizes_kept(network, [(64, 64), (37, 50), (9, 7)], 3)
    assert_exports(network, torch.randn(2, 1, 37, 50))
    _assert_half_precision_gradients(network)


def _assert_half_precision_gradients(network: nn.Module) -> None:
    network.to(memory_format=torch.channels_last).train()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(torch.randn(2, 1, 37, 50).to(memory_format=torch.channels_last))
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    torch.stack([output.float().square().mean() for output in outputs]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
