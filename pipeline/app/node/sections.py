"""Sections of a configuration file as dataclasses, with a plain sentence for whatever is wrong in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.core.errors import ConfigError

__all__ = ["read_section"]

T = TypeVar("T")

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def read_section(kind: type[T], content: Any, where: str) -> T:
    """Make a dataclass of a mapping. Values are taken as they are: nothing in them is looked up or evaluated.

    Args:
        kind: a dataclass of texts, numbers, truth values, paths, tuples of texts, other such dataclasses or tuples of
            them, or `None` in place of any.
        content: as YAML gives it.
        where: the section's name in messages.

    Raises:
        ConfigError: a setting that is unknown, missing or of another kind; the dataclass refuses a value.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where or 'a configuration'} must be a list of settings, got {content!r}")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in content:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"; perhaps {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise ConfigError(f"{_join(where, key)} is no setting{hint}")
    missing = [name for name, field in known.items() if name not in content and _is_required(field)]
    if missing:
        raise ConfigError(f"{_join(where, missing[0])} must be stated")
    hints = get_type_hints(kind)
    values = {key: _read(hints[key], value, _join(where, key)) for key, value in content.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}" if where else str(error)) from error


def _read(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        hint = next(choice for choice in get_args(hint) if choice is not NoneType)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list, got {value!r}")
        return tuple(_read(get_args(hint)[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a list of names, got {value!r}")
        return {str(key): _read(get_args(hint)[1], item, _join(where, key)) for key, item in value.items()}
    return _plain(hint, value, where) if hint in _WORDS else read_section(hint, value, where)


def _plain(kind: type, value: Any, where: str) -> Any:
    wanted: tuple[type, ...] = {float: (int, float), Path: (str,)}.get(kind, (kind,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{where} must be {_WORDS[kind]}, got {value!r}")
    try:
        if kind is not Path:
            return kind(value)
        if str(value).strip():
            return Path(str(value)).expanduser()
    except (OverflowError, RuntimeError) as error:  # too large a number; no such user's home
        raise ConfigError(f"{where} must be {_WORDS[kind]} that can be used: {error}") from error
    raise ConfigError(f"{where} must be a path, got {value!r}")


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)
