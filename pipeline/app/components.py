"""Components that a setting may name: no more than what a configuration is made of, so that no name runs a program."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import torch

from pipeline.core.errors import ConfigError

__all__ = ["component_name"]

_FACTORIES = ("pipeline.networks.registry.build_network", "pipeline.train.schedules.make_schedule")
"""Functions of ours that make components."""
_OTHERS: dict[str, type] = {
    "monai.losses": torch.nn.Module,
    "monai.networks.nets": torch.nn.Module,
    "monai.optimizers": torch.optim.Optimizer,
    "torch.nn": torch.nn.Module,
    "torch.optim": torch.optim.Optimizer,
}
"""Modules of others -> what their classes must be."""


def component_name(key: str, name: Any) -> str:
    """Check that a name is that of a component that a setting may choose.

    Args:
        key: id of the entry, as `loss_function#loss#_target_`, for the message.
        name: what the user gave: the full name of a public class of this library, its command line aside, or of a loss,
            network or optimiser of MONAI's or torch's.

    Returns:
        `name`.

    Raises:
        ConfigError: anything else.
    """
    if isinstance(name, str) and (name in _FACTORIES or _is_own(name) or _is_of_others(name)):
        return name
    raise ConfigError(
        f"`{key}` must be the full name of a public class of this library, as pipeline.train.losses.Jaccard, or of one "
        f"in {sorted(_OTHERS)}, got {name!r}; any other component is written into the configuration itself"
    )


def _is_own(name: str) -> bool:
    module_name, _, class_name = name.rpartition(".")
    if not re.fullmatch(r"pipeline(\.[a-z]\w*)+", module_name) or module_name.startswith("pipeline.app"):
        return False
    try:
        module = import_module(module_name)
    except ImportError:
        return False
    return class_name in getattr(module, "__all__", ()) and inspect.isclass(getattr(module, class_name))


def _is_of_others(name: str) -> bool:
    module_name, _, class_name = name.rpartition(".")
    if module_name not in _OTHERS:
        return False
    found = getattr(import_module(module_name), class_name, None)
    return inspect.isclass(found) and issubclass(found, _OTHERS[module_name])
