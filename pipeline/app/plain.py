"""Users' values in configurations are data, never code: they are written so that MONAI returns them unchanged.

MONAI's parser evaluates text that begins with `$`, looks up `@id`, reads a file for `%path`, turns every `#` into
`::`, and constructs a mapping that has `_target_`. Here text with any such sign becomes an expression that contains
only that text as an escaped literal. Entries of the program itself, such as `@n_classes`, do not pass through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from monai.bundle import ReferenceResolver

from pipeline.app.components import component_name
from pipeline.core.errors import ConfigError

__all__ = ["as_entries", "as_plain_data"]

_READ_BY_MONAI = re.compile("[$@%#\ud800-\udfff]")
"""Signs with a meaning to its parser, and surrogates, which JSON would join into a character."""
_HARMLESS = re.compile("[A-Za-z0-9 _./-]")
"""Characters that need no escape in a literal: none has a meaning to its parser or Python's."""
_NOT_FINITE = {"inf": "1e999", "-inf": "-1e999", "nan": "(1e999 * 0)"}
"""Floats without a literal of their own."""


def as_plain_data(value: Any) -> Any:
    r"""Write a value so that MONAI's parser returns exactly that value, and evaluates nothing.

    Numbers, booleans, null, ordinary text, and lists and mappings of them are unchanged and readable in the JSON.
    Tuples become lists, and integer keys become text, as in JSON.

    >>> as_plain_data({"epochs": 80, "data": ["/data/acdc"]})
    {'epochs': 80, 'data': ['/data/acdc']}
    >>> as_plain_data("$exit()")
    "$'\\x24exit\\x28\\x29'"

    Args:
        value: the user's value.

    Returns:
        The entry for the configuration.

    Raises:
        ConfigError: any other type, or a mapping with a key that describes a component.
    """
    plain = _copy(value)
    return plain if _is_plain(plain) else f"${_literal(plain)}"


def as_entries(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Users' settings as entries of a configuration: `as_plain_data` except for the two that are names.

    `..._target_` takes the name of a class of `pipeline.parts`, or of a loss, network or optimiser of MONAI's or
    torch's, and `device` the name of a torch device.

    Args:
        settings: id (`network_def#channels`) -> value.

    Raises:
        ConfigError: an id that names no entry or part of MONAI's own language, or an invalid value.
    """
    return {key: _entry(key, value) for key, value in settings.items()}


def _entry(key: str, value: Any) -> Any:
    *_, last = parts = ReferenceResolver.split_id(key)
    if any(part != part.strip() or not part for part in parts):  # MONAI would find the entry, and write another
        raise ConfigError(f"a setting's name must be that of an entry, with `#` between its parts, got {key!r}")
    if last == "_target_":
        return component_name(key, value)
    if last == "_disabled_" and not isinstance(value, bool):
        raise ConfigError(f"`{key}` must be true or false, got {value!r}")
    if any(_describes_component(part) for part in (parts if last != "_disabled_" else parts[:-1])):
        raise ConfigError(f"`{key}` describes a component, which is written into the configuration itself")
    return _device(value) if key == "device" else as_plain_data(value)


def _copy(value: Any) -> Any:
    """The value in JSON's own types.

    Raises:
        ConfigError: it has none.
    """
    if isinstance(value, Mapping):
        return {_key(key): _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(
        f"a setting must be text, a number, true, false, null, or a list or mapping of them, got {value!r}, "
        f"a {type(value).__name__}; put text in quotes"
    )


def _key(key: Any) -> str:
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if not isinstance(key, str):
        raise ConfigError(f"a mapping in a setting must have text or whole numbers as keys, got {key!r}")
    if _describes_component(key):
        raise ConfigError(
            f"a setting must be data, got a mapping with the key {key!r}: a component is written into the "
            "configuration itself"
        )
    return key


def _describes_component(key: str) -> bool:
    """Whether a key is reserved for MONAI, as all of the form of `_target_` and `_mode_` are."""
    return len(key) > 1 and key.startswith("_") and key.endswith("_")


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return not (isinstance(value, str) and _READ_BY_MONAI.search(value))


def _literal(value: Any) -> str:
    """Python's spelling of a value, with every character escaped that is not harmless."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        return "'" + "".join(c if _HARMLESS.match(c) else _escape(c) for c in value) + "'"
    if isinstance(value, float):
        return _NOT_FINITE.get(text := float.__repr__(value), text)
    return repr(value) if value is None or isinstance(value, bool) else int.__repr__(value)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _device(value: Any) -> str:
    try:
        return f"$torch.device('{torch.device(value)}')"
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f"a device must be one of torch's, as cpu or cuda:0, got {value!r}") from error
