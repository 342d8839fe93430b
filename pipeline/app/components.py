"""Components that a setting may name: only those that configurations are made of, so that no name can run a program."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import torch

from pipeline import parts
from pipeline.core.errors import ConfigError

__all__ = ["component_name", "is_component"]

_PREFIX = f"{parts.__name__}."
_FACTORIES = ("build_network", "make_schedule")
"""Parts that are functions, and make components."""
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
        name: the user's value: a class of `pipeline.parts`, the command line's own aside, or the full name of a loss,
            network or optimiser of MONAI's or torch's.

    Returns:
        `name`.

    Raises:
        ConfigError: anything else.
    """
    if isinstance(name, str) and ((_is_own(name) and _is_choice(name.removeprefix(_PREFIX))) or _is_of_others(name)):
        return name
    raise ConfigError(
        f"`{key}` must be the full name of a class of pipeline.parts, as pipeline.parts.Jaccard, or of one in "
        f"{sorted(_OTHERS)}, got {name!r}{_stable_name(name)}; any other component is written into the configuration "
        "itself"
    )


def _stable_name(name: Any) -> str:
    """Advice on the stable name of a class of ours that was given by its module or its bare name."""
    first, _, last = f"pipeline.{name}".rpartition(".")
    is_ours = isinstance(name, str) and (first == "pipeline" or name.startswith("pipeline."))
    return f", which is called {_PREFIX}{last}" if is_ours and _is_choice(last) else ""


def is_component(name: str) -> bool:
    """Whether this is the full name of a part of ours, or of a loss, network or optimiser of MONAI's or torch's."""
    return _is_own(name) or _is_of_others(name)


def _is_own(name: str) -> bool:
    return name.startswith(_PREFIX) and name.removeprefix(_PREFIX) in parts.MODULES


def _is_choice(last: str) -> bool:
    """Whether this is a part that a setting may name."""
    if parts.MODULES.get(last, "pipeline.app").startswith("pipeline.app"):
        return False
    return last in _FACTORIES or inspect.isclass(getattr(parts, last))


def _is_of_others(name: str) -> bool:
    module_name, _, class_name = name.rpartition(".")
    if module_name not in _OTHERS:
        return False
    found = getattr(import_module(module_name), class_name, None)
    return inspect.isclass(found) and issubclass(found, _OTHERS[module_name])
