"""Named networks: each is a `Design` in the tuple `DESIGNS` of its own module."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from types import MappingProxyType
from typing import Any

from torch import nn

__all__ = ["NORMALISED", "Design"]

NORMALISED: Mapping[str, Any] = MappingProxyType({"batch_norm": True})
"""Of networks whose papers start from ImageNet weights or train for long: from scratch, without it, they learn next to
nothing at first (docs/networks.md)."""


@dataclass(frozen=True)
class Design:
    """One named network.

    Attributes:
        name: the name by which it is chosen.
        make: its class.
        paper: authors and year.
        note: one line on its distinguishing features.
        settings: arguments of the class besides the channel counts.
        in_3d: whether it takes stacks.
        by_name: settings that build a network themselves, and may be given as a name.
    """

    name: str
    make: Callable[..., nn.Module]
    paper: str
    note: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    in_3d: bool = False
    by_name: tuple[str, ...] = ()

    def build(self, in_channels: int, out_channels: int, **settings: Any) -> nn.Module:
        """Build the network, untrained. `settings` override the design's own."""
        return self.make(in_channels=in_channels, out_channels=out_channels, **{**self.settings, **settings})

    def options(self) -> dict[str, Any]:
        """Every setting that a configuration can hold, and its value: the design's own, else the class's default."""
        defaults = {
            name: parameter.default
            for name, parameter in signature(self.make).parameters.items()
            if parameter.default is not parameter.empty
        }
        return {name: value for name, value in {**defaults, **self.settings}.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    """Whether JSON can say it."""
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True
