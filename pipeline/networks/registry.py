"""Networks by name, as chosen in a configuration or by `cmr train --network`.

Every network here takes slices (N, in_channels, X, Y) and gives logits (N, out_channels, X, Y). Those in 3D take and
give stacks, with a last axis Z. Built from the two channel counts alone a network has the dimensions of its
paper. If the paper has several variants, such as backbones, the settings say which.

A network is registered in its own module in this folder, by a tuple `DESIGNS`. This module collects them. No module
with a design imports this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from torch import nn

import pipeline.networks
from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design

__all__ = ["NETWORKS", "build_network"]


def _designs() -> Iterator[Design]:
    """Designs of every module in this folder, older papers first."""
    names = [f"{pipeline.networks.__name__}.{found.name}" for found in iter_modules(pipeline.networks.__path__)]
    modules = [import_module(name) for name in sorted(names) if name != __name__]
    found = [design for module in modules for design in getattr(module, "DESIGNS", ())]
    yield from sorted(found, key=lambda design: design.paper[-4:])


NETWORKS: Mapping[str, Design] = MappingProxyType({design.name: design for design in _designs()})
"""Every network by name."""


def build_network(name: str, in_channels: int, out_channels: int, **settings: Any) -> nn.Module:
    """Build a network by its name.

    Args:
        name: one of `NETWORKS`.
        in_channels: channels of the input.
        out_channels: classes.
        settings: arguments of the network's constructor. One that builds a network itself may be a network's name.

    Returns:
        The network, untrained.

    Raises:
        ConfigError: an unknown name.

    >>> sum(p.numel() for p in build_network("residual_unet", 1, 4).parameters()) > 6_000_000
    True
    """
    design = _find_design(name)
    for key in design.by_name:
        if isinstance(settings.get(key), str):
            _find_design(settings[key])
            settings[key] = partial(build_network, settings[key])
    return design.build(in_channels, out_channels, **settings)


def _find_design(name: str) -> Design:
    if name not in NETWORKS:
        raise ConfigError(f"`network` must be one of {sorted(NETWORKS)}, got {name!r}")
    return NETWORKS[name]
