"""What networks on a VGG, and the patch CNN, must do: keep sizes, learn, export, train in bfloat16 channels-last."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from pipeline.networks.dilated import MSCADC, DilatedNet
from pipeline.networks.fcn import FCN
from pipeline.networks.parsenet import ParseNet
from pipeline.networks.patch_cnn import PatchCNN
from pipeline.networks.segnet import DeconvNet, SegNet

_FCN = partial(FCN, backbone="vgg11", fc_channels=16)
_DILATED = partial(DilatedNet, backbone="vgg11", fc_channels=16)
_FAMILY = {
    "patch cnn": partial(PatchCNN, channels=(4, 4, 4)),
    "fcn-32s": partial(_FCN, stride=32),
    "fcn-16s": partial(_FCN, stride=16),
    "fcn-8s": partial(_FCN, batch_norm=True),
    "segnet": partial(SegNet, backbone="vgg11"),
    "deconvnet": partial(DeconvNet, backbone="vgg11", fc_channels=16, fc_kernel=1),
    "dilated": _DILATED,
    "dilated, large context": partial(_DILATED, context="large"),
    "mscadc": partial(MSCADC, backbone="vgg11", channels=16),
    "mscadc, parallel": partial(MSCADC, backbone="vgg11", channels=16, parallel=True, batch_norm=False),
    "parsenet": partial(ParseNet, backbone="vgg11", fc_channels=16),
}


@pytest.fixture(params=_FAMILY)
def network(request) -> nn.Module:
    torch.manual_seed(0)
    return _FAMILY[request.param](1, 3)


def test_any_size_comes_back(network: nn.Module, assert_sizes_kept) -> None:
    assert_sizes_kept(network, [(64, 64), (37, 50), (9, 7)], 3)


def test_learns(network: nn.Module, assert_learns) -> None:
    assert_learns(network, torch.randn(2, 1, 40, 56), 3, rate=0.001)


def test_exports(network: nn.Module, assert_exports) -> None:
    assert_exports(network, torch.randn(2, 1, 37, 50))


def test_trains_in_bfloat16_channels_last(network: nn.Module) -> None:
    network.to(memory_format=torch.channels_last).train()
    with torch.autocast("cpu", torch.bfloat16):
        # large enough: with some ten pixels left, oneDNN's bfloat16 weight gradient reads memory that nobody has set
        outputs = network(torch.randn(4, 1, 72, 90).to(memory_format=torch.channels_last))
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    torch.stack([output.float().square().mean() for output in outputs]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
