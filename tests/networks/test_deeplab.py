"""DeepLab v3: what defines it, counted and probed."""

from __future__ import annotations

import copy

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.networks.arithmetic import receptive_field
from pipeline.networks.deeplab import ASPP, DeepLabV3


def _small(**settings: object) -> DeepLabV3:
    torch.manual_seed(0)
    return DeepLabV3(1, 4, backbone="resnet18", aspp_channels=16, **settings)


def _probed_extent(network: torch.nn.Module, size: int) -> int:
    """Width of the input region that one output pixel's gradient reaches, ReLU and normalisation taken out."""
    x = torch.zeros(1, 1, size, size, requires_grad=True)
    output = network(x)
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    hit = (x.grad[0, 0].abs() > 0).any(0).nonzero()
    return int(hit.max() - hit.min() + 1)


def test_parameters_by_hand() -> None:
    # ASPP on 512 features, 16 channels: 1x1 512*16, three 3x3 512*16*9, pooling 512*16, projection 80*16,
    # each with 2*16 of normalisation; classifier 16*4 + 4; ResNet-18 on one channel 11,176,512 - 2*64*49
    aspp = 512 * 16 * (1 + 27 + 1) + 80 * 16 + 6 * 32
    assert sum(p.numel() for p in _small().parameters()) == aspp + 16 * 4 + 4 + 11_176_512 - 2 * 64 * 49


@pytest.mark.parametrize(("output_stride", "rates"), [(16, [6, 12, 18]), (8, [12, 24, 36])])
def test_rates_double_at_stride_8(output_stride: int, rates: list[int]) -> None:
    branches = _small(output_stride=output_stride).aspp.branches
    assert [branch.conv.dilation[0] for branch in branches] == [1, *rates]
    assert [branch.conv.kernel_size[0] for branch in branches] == [1, 3, 3, 3]


def test_receptive_field_of_an_aspp_branch_by_formula_and_by_gradient() -> None:
    rate = 4
    branch = ASPP(1, 2, rates=[rate]).branches[1].conv
    torch.nn.init.ones_(branch.weight)
    assert receptive_field([(3, 1, rate)]) == 9
    assert _probed_extent(branch, 31) == 9


def test_receptive_field_of_the_backbone_by_formula_and_by_gradient() -> None:
    backbone = copy.deepcopy(_small(multi_grid=(1, 1)).backbone).eval()
    for module in backbone.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.ones_(module.weight)
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.constant_(module.weight, 1e-2)
            torch.nn.init.ones_(module.bias)  # keeps every ReLU open
    backbone.maxpool = torch.nn.AvgPool2d(3, stride=2, padding=1)
    blocks = [(3, 1, 1)] * 4 + [(3, 2, 1)] + [(3, 1, 1)] * 3 + [(3, 2, 1)] + [(3, 1, 1)] * 3 + [(3, 1, 2)] * 4
    expected = receptive_field([(7, 2, 1), (3, 2, 1), *blocks])
    backbone.double()
    x = torch.zeros(1, 1, 897, 33, dtype=torch.double, requires_grad=True)
    output = backbone(x)
    output[0, :, output.shape[2] // 2, output.shape[3] // 2].sum().backward()
    hit = (x.grad[0, 0].abs() > 0).any(1).nonzero()
    assert int(hit.max() - hit.min() + 1) == expected


@pytest.mark.parametrize("size", [(64, 64), (57, 83), (33, 129)])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_any_size_comes_back(size: tuple[int, int], output_stride: int) -> None:
    network = _small(output_stride=output_stride).eval()
    assert network(torch.randn(1, 1, *size)).shape == (1, 4, *size)


@pytest.mark.parametrize("in_channels", [1, 3, 4])
def test_any_number_of_channels(in_channels: int) -> None:
    network = DeepLabV3(in_channels, 2, backbone="resnet18", aspp_channels=8).eval()
    assert network(torch.randn(1, in_channels, 48, 48)).shape == (1, 2, 48, 48)


def test_image_level_branch_sees_the_whole_image() -> None:
    network = _small().eval()
    x = torch.randn(1, 1, 64, 64, requires_grad=True)
    network.aspp.image_level(network.backbone(x)).sum().backward()
    assert (x.grad.abs() > 0).float().mean() > 0.9


def test_batch_of_one_in_training_is_a_clear_refusal() -> None:
    network = _small()
    with pytest.raises(ValueError, match="batch of at least 2"):
        network(torch.randn(1, 1, 64, 64))
    assert network.eval()(torch.randn(1, 1, 64, 64)).shape == (1, 4, 64, 64)


def test_one_step_lowers_the_loss_and_reaches_every_parameter() -> None:
    network = _small()
    network.dropout.p = 0.0
    x, y = torch.randn(2, 1, 48, 48), torch.randint(0, 4, (2, 48, 48))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    losses = []
    for _ in range(4):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_and_export_give_the_same() -> None:
    network = _small().eval()
    x = torch.randn(2, 1, 40, 56)
    with torch.inference_mode():
        expected = network(x)
        torch.testing.assert_close(torch.jit.script(network)(x), expected)
    torch.testing.assert_close(torch.export.export(network, (x,)).module()(x), expected, rtol=1e-4, atol=1e-4)


def test_other_output_strides_are_refused() -> None:
    with pytest.raises(ConfigError, match="8 or 16"):
        _small(output_stride=32)
