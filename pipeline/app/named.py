"""Networks and losses of a training, chosen by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import getdoc, signature
from types import MappingProxyType
from typing import Any

from pipeline import parts
from pipeline.app.own_network import describe_own_network, is_own_network
from pipeline.core.errors import ConfigError
from pipeline.networks.registry import NETWORKS
from pipeline.train import losses
from pipeline.train.by_network import entries_of

__all__ = ["LOSSES", "describe_loss", "named_loss", "named_network", "named_parts"]


def _word(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


LOSSES: Mapping[str, str] = MappingProxyType(
    {_word(name): name for name, module in parts.MODULES.items() if module == losses.__name__}
)
"""Word of a loss, as dice_cross_entropy -> its name in `pipeline.parts`."""


def named_parts(network: str | None, loss: str | None) -> dict[str, Any]:
    """Code entries that give a bundle another network, another loss, or both. `None` leaves the bundle's own.

    Raises:
        ConfigError: an unknown name, or a loss for a network that trains by one of its own.
    """
    code = named_network(network) if network else {}
    if loss and "loss_function" in code:
        raise ConfigError(f"`{network}` trains by a loss of its own, which no other can replace, got {loss!r}")
    return code | (named_loss(loss) if loss else {})


def named_network(name: str) -> dict[str, Any]:
    """Code entries that give a bundle another network with all its settings explicit and the bundle's own channels.

    Args:
        name: a name in `NETWORKS`, or a user's own class as "my_package.my_module:MyNet".

    Raises:
        ConfigError: a name that `NETWORKS` lacks, or a class that cannot be imported or does not take the channels.
    """
    if is_own_network(name):
        return {"network_def": describe_own_network(name)}
    if name not in NETWORKS:
        raise ConfigError(f"`network` must be one of {sorted(NETWORKS)}, got {name!r}")
    return {
        "network_def": {
            "_target_": "pipeline.parts.build_network",
            "name": name,
            "in_channels": "$1 + 2 * @context",
            "out_channels": "@n_classes",
            **NETWORKS[name].options(),
        },
        **entries_of(name),
    }


def named_loss(name: str) -> dict[str, Any]:
    """Code entries that give a bundle another loss, all its settings spelled out.

    >>> named_loss("lovasz_softmax")
    {'loss_function#loss': {'_target_': 'pipeline.parts.LovaszSoftmax', 'classes': None}}

    Raises:
        ConfigError: a name that `LOSSES` lacks.
    """
    if name not in LOSSES:
        raise ConfigError(f"`loss` must be one of {sorted(LOSSES)}, got {name!r}")
    parameters = signature(getattr(parts, LOSSES[name])).parameters.values()
    settings = {one.name: one.default for one in parameters if one.default is not one.empty}
    return {"loss_function#loss": {"_target_": f"{parts.__name__}.{LOSSES[name]}", **settings}}


def describe_loss(name: str) -> str:
    """The first line of a loss's documentation."""
    return (getdoc(getattr(parts, LOSSES[name])) or "").partition("\n")[0]
