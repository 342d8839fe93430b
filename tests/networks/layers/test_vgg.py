"""VGG backbones: published sizes, torchvision's numbering, poolings given up."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.arithmetic import receptive_field
from pipeline.networks.layers.vgg import VGG


@pytest.mark.parametrize(("name", "n_parameters"), [("vgg11", 9_220_480), ("vgg16", 14_714_688), ("vgg19", 20_024_384)])
def test_parameters_as_published_without_the_classifier(name: str, n_parameters: int) -> None:
    assert sum(p.numel() for p in VGG(name).parameters()) == n_parameters


def test_layers_are_numbered_as_torchvision_numbers_them() -> None:
    keys = [key for key in VGG("vgg16").state_dict() if key.endswith("weight")]
    assert keys == [f"features.{i}.weight" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]


def test_stages_halve_the_size() -> None:
    network = VGG("vgg11", in_channels=1)
    x = torch.randn(1, 1, 64, 96)
    assert [tuple(f.shape[1:]) for f in network.stages(x)] == [
        (64, 64, 96), (128, 32, 48), (256, 16, 24), (512, 8, 12), (512, 4, 6),
    ]  # fmt: skip
    assert network(x).shape == (1, 512, 2, 3)


@pytest.mark.parametrize(("strides", "expected"), [((2, 2, 2, 1, 1), (8, 12)), ((2, 2, 2, 0, 0), (8, 12))])
def test_poolings_given_up_keep_the_size(strides: tuple[int, ...], expected: tuple[int, int]) -> None:
    network = VGG("vgg16", in_channels=1, pool_strides=strides, dilations=(1, 1, 1, 1, 2))
    assert network(torch.zeros(1, 1, 64, 96)).shape == (1, 512, *expected)
    assert {m.dilation[0] for m in network.stage(4) if isinstance(m, nn.Conv2d)} == {2}
    assert {m.dilation[0] for m in network.stage(3) if isinstance(m, nn.Conv2d)} == {1}


def test_receptive_field_by_formula_and_by_gradient(probed_extent) -> None:
    layers = [(3, 1, 1)] * 2 + [(2, 2, 1)] + [(3, 1, 1)] * 2 + [(2, 2, 1)] + [(3, 1, 1)] * 3 + [(2, 2, 1)]
    assert receptive_field(layers) == 44
    assert probed_extent(nn.Sequential(*VGG("vgg16", in_channels=1).features[:17]), 96) == 44


@pytest.mark.parametrize("settings", [{"name": "vgg7"}, {"pool_strides": (2, 2)}, {"pool_strides": (3, 2, 2, 2, 2)}])
def test_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="VGG"):
        VGG(**settings)
