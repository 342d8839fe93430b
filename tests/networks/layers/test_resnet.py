"""ResNet backbones: published sizes, output strides, dilations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.resnet import ResNet


@pytest.mark.parametrize(
    ("name", "n_parameters", "n_features"),
    [
        ("resnet18", 11_176_512, 512),
        ("resnet34", 21_284_672, 512),
        ("resnet50", 23_508_032, 2048),
        ("resnet101", 42_500_160, 2048),
    ],
)
def test_parameters_as_published_without_the_classifier(name: str, n_parameters: int, n_features: int) -> None:
    network = ResNet(name)
    assert sum(p.numel() for p in network.parameters()) == n_parameters
    assert network.out_channels == n_features


@pytest.mark.parametrize(("output_stride", "expected"), [(8, (9, 12)), (16, (5, 6)), (32, (3, 3))])
def test_output_stride(output_stride: int, expected: tuple[int, int]) -> None:
    network = ResNet("resnet18", in_channels=1, output_stride=output_stride).eval()
    assert network(torch.zeros(1, 1, 66, 95)).shape == (1, 512, *expected)


@pytest.mark.parametrize(
    ("output_stride", "stage3", "stage4"), [(16, {1}, [2, 4, 8]), (8, {2}, [4, 8, 16]), (32, {1}, [1, 2, 4])]
)
def test_dilations_with_multi_grid(output_stride: int, stage3: set[int], stage4: list[int]) -> None:
    network = ResNet("resnet50", output_stride=output_stride, multi_grid=(1, 2, 4))
    assert {block.conv2.dilation[0] for block in network.layer3} == stage3
    assert [block.conv2.dilation[0] for block in network.layer4] == stage4


def test_dilated_and_strided_backbones_share_weights_and_names() -> None:
    strided, dilated = ResNet("resnet18"), ResNet("resnet18", output_stride=8)
    assert dilated.load_state_dict(strided.state_dict()).missing_keys == []
    assert "layer2.0.downsample.0.weight" in strided.state_dict()


def test_every_parameter_gets_a_gradient() -> None:
    network = ResNet("resnet34", in_channels=2, output_stride=16)
    network(torch.randn(2, 2, 40, 33)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_convolutions_have_no_bias_before_normalisation() -> None:
    assert all(m.bias is None for m in ResNet("resnet50").modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("settings", [{"name": "resnet99"}, {"name": "resnet18", "output_stride": 4}])
def test_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        ResNet(**settings)
