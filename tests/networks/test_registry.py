"""Every network that a name chooses: built with two channel counts, keeps any size, is documented."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import pytest
import torch

import pipeline.networks
from pipeline.core.errors import ConfigError
from pipeline.networks.registry import NETWORKS, build_network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_name_gives_logits_of_the_inputs_size(name: str) -> None:
    with torch.device("meta"):  # shapes without arithmetic: the paper's full dimensions cost nothing
        network = build_network(name, 1, 4).eval()
        for size in ((176, 176), (175, 101)):
            size = (*size, 10) if NETWORKS[name].in_3d else size
            assert network(torch.empty(2, 1, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_documented(name: str) -> None:
    design = NETWORKS[name]
    assert design.make.__doc__
    assert design.paper[-4:].isdigit()
    assert design.note


def test_every_design_has_a_name_of_its_own_beside_its_class() -> None:
    modules = [import_module(f"pipeline.networks.{found.name}") for found in iter_modules(pipeline.networks.__path__)]
    designs = [(module, design) for module in modules for design in getattr(module, "DESIGNS", ())]
    assert sorted(design.name for _, design in designs) == sorted(NETWORKS)
    assert all(design.make.__module__ == module.__name__ for module, design in designs)
    assert not [module for module, _ in designs if hasattr(module, "build_network")]  # no circle through the registry


def test_settings_go_before_the_designs_own() -> None:
    network = build_network("fcn8s", 1, 2, stride=32, backbone="vgg11", fc_channels=8)
    assert len(network.skip_scores) == 0


def test_options_are_what_a_configuration_can_spell() -> None:
    assert NETWORKS["fcn16s"].options() == {
        "stride": 16, "backbone": "vgg16", "fc_channels": 4096, "batch_norm": True, "dropout": 0.5
    }  # fmt: skip
    assert "network" not in NETWORKS["cascade"].options()
    assert NETWORKS["residual_unet"].options()["strides"] == (2, 2, 2, 2)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="deeplabv3"):
        build_network("deeplabv9", 1, 2)
