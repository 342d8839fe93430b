"""A user's settings against a bundle: names that it has, values that its entries can have, a device that is there."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ReferenceResolver

from pipeline.app.configs import OVERLAYS, change_configs
from pipeline.app.offers import present_value
from pipeline.app.rules import RULES, check_kind, check_rule
from pipeline.core.errors import ConfigError
from pipeline.infer.devices import require_device
from pipeline.train.tracking import require_tracking

__all__ = ["check_settings", "parse_settings"]

_OPTIONS = {"dataset_dir": "`--data` or `--pack`", "bundle_root": "`--bundle` or `--out`", "resume": "`--resume`"}
"""Entries of a configuration that an option of the command line gives."""


def parse_settings(settings: Sequence[str] | None) -> dict[str, Any]:
    """Read settings as a command line gives them: `ID=VALUE`, a value being JSON where it parses as such, else text.

    >>> parse_settings(["epochs=80", "schedule=cosine", "window=[96, 96]"])
    {'epochs': 80, 'schedule': 'cosine', 'window': [96, 96]}

    Raises:
        ConfigError: no pair, or an entry that an option of the command line gives.
    """
    parsed: dict[str, Any] = {}
    for setting in settings or []:
        key, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"a setting must read ID=VALUE, got {setting!r}")
        if key in _OPTIONS:
            raise ConfigError(f"`{key}` is given by {_OPTIONS[key]}, not by `--set`")
        try:
            parsed[key] = json.loads(text)
        except json.JSONDecodeError:
            parsed[key] = text
    return parsed


def check_settings(
    bundle: Path, settings: Mapping[str, Any], code: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Refuse settings that a bundle does not have, or values that they cannot have.

    Args:
        bundle: the bundle's folder.
        settings: id -> value, a user's.
        code: id -> entry, the program's own, as of a network by name.

    Returns:
        The bundle's configurations with them, by name.

    Raises:
        ConfigError: an unknown id, a value that its entry cannot have, or a device that is not there.
    """
    changed = change_configs(bundle, settings, code=code)
    before = change_configs(bundle, {key: one for key, one in settings.items() if key.endswith("_target_")}, code=code)
    parsers = [ConfigParser(before[name]) for name in sorted(before, key=lambda name: name in OVERLAYS)]
    for key, value in settings.items():
        _check_value(key, value, parsers)
    require_tracking(settings.get("tracking"))
    for config in changed.values():
        if "device" in settings and "device" in config:
            require_device(ConfigParser(config).get_parsed_content("device"))
    return changed


def _check_value(key: str, value: Any, parsers: Sequence[ConfigParser]) -> None:
    if key in RULES:
        check_rule(key, value)
        return
    if _is_judged_elsewhere(key):
        return
    present = [(parser, one) for parser in parsers if (one := present_value(parser, key)) is not None]
    for parser, one in present[:1]:
        if _is_expression(one) and one[1:] in RULES:  # another name for a setting that has a rule
            check_rule(one[1:], value, key=key)
        else:
            check_kind(key, value, _resolve(parser, key) if _is_expression(one) else one)


def _is_judged_elsewhere(key: str) -> bool:
    """Whether others say what a value may be: torch of a device, a network of its own settings, `plain` of names."""
    first, *further = ReferenceResolver.split_id(key)
    if first == "network_def" and further:
        return True
    return key == "device" or key.endswith(("_target_", "_disabled_"))


def _is_expression(entry: Any) -> bool:
    return isinstance(entry, str) and entry.startswith(("$", "@", "%"))


def _resolve(parser: ConfigParser, key: str) -> Any:
    """What an entry that is an expression gives, where that is plain and needs no data.

    Raises:
        ConfigError: it gives an object, or what it gives comes from the data.
    """
    trial = ConfigParser(copy.deepcopy(parser.get()))
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            present = trial.get_parsed_content(key)
            plain = json.loads(json.dumps(present))
    except Exception:  # noqa: BLE001 whatever stands in the way: data that are not there, an object
        plain = None
    if plain is None:
        raise ConfigError(f"`{key}` is made by the program, of other settings or of the data: change those")
    return plain
