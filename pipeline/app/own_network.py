"""Networks that a user names by their own module, `my_package.my_module:MyNet`: code, run because they ask for it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from pipeline.app.trust import vouch_for
from pipeline.core.errors import BundleError, ConfigError

__all__ = ["describe_own_network", "is_own_network", "require_own_network"]

_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_CHANNELS = {"in_channels": "$1 + 2 * @context", "out_channels": "@n_classes"}


def is_own_network(name: str) -> bool:
    """Whether a network is given by its module rather than by a name of ours.

    >>> is_own_network("my_package.my_module:MyNet"), is_own_network("unet")
    (True, False)
    """
    return ":" in name


def describe_own_network(name: str) -> dict[str, Any]:
    """The entry `network_def` of a user's own network with all its settings explicit, so that `--set` can change them.

    Args:
        name: module and class, such as "my_package.my_module:MyNet". The module is installed or in the working folder.

    Raises:
        ConfigError: it cannot be imported, or does not take `in_channels` and `out_channels`.
    """
    if not _PATH.fullmatch(name):
        raise ConfigError(f"a network of your own must be given as module:Class, as my_module:MyNet, got {name!r}")
    module, _, last = name.partition(":")
    _look_here(module)
    try:
        found = getattr(import_module(module), last)
    except Exception as error:  # whatever the user's module may raise
        raise ConfigError(
            f"the network {name} cannot be imported from the installed packages or the working folder: "
            f"{type(error).__name__}: {error}"
        ) from error
    vouch_for(f"{module}.{last}")
    return {"_target_": f"{module}.{last}", **_CHANNELS, **_options(name, found)}


def require_own_network(bundle: Path, configuration: Mapping[str, Any]) -> None:
    """Make sure that the network of a trained bundle can be imported, if it is a user's own.

    Args:
        bundle: folder of the bundle, for the message.
        configuration: one of its configurations.

    Raises:
        BundleError: it cannot be found.
    """
    definition = configuration.get("network_def")
    target = definition.get("_target_", "") if isinstance(definition, Mapping) else ""
    module = str(target).rpartition(".")[0]
    if module and not _look_here(module):
        raise BundleError(
            f"the network of {bundle} is {target}, which is not installed: install it, or work in the folder where its "
            "module lies"
        )


def _look_here(module: str) -> bool:
    """Add the working folder to the search path if the module is not found elsewhere, and say if it is found then."""
    package = module.partition(".")[0]
    if find_spec(package) is None and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    return find_spec(package) is not None


def _options(name: str, found: Any) -> dict[str, Any]:
    """Other settings: their defaults, if a configuration can hold them, or null for those without."""
    if not callable(found):
        raise ConfigError(f"the network {name} must be a class, got {type(found).__name__}")
    parameters = signature(found).parameters
    _require_channels(name, found)
    return {
        key: None if parameter.default is Parameter.empty else parameter.default
        for key, parameter in parameters.items()
        if key not in _CHANNELS and parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        if parameter.default is Parameter.empty or isinstance(parameter.default, bool | int | float | str | None)
    }


def _require_channels(name: str, found: Callable[..., Any]) -> None:
    try:
        signature(found).bind_partial(**dict.fromkeys(_CHANNELS, 1))
    except TypeError as error:
        raise ConfigError(
            f"the network {name} must take the keywords in_channels and out_channels, but: {error}"
        ) from error
