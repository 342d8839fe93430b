"""Description of all that a bundle does with an image apart from its network, and of the settings behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.bundle import ConfigParser

from pipeline.prepare.description import describe

__all__ = ["describe_inference", "plain_settings"]

_NO_SETTINGS = frozenset({"generated", "library_version", "series_uid", "run", "weights"})
"""Plain entries that are not settings, besides those whose names end in `_dir` or `_root`, which are paths."""


def describe_inference(parser: ConfigParser) -> dict[str, Any]:
    """Describe all steps of a bundle's inference except its network, as its configuration resolves them.

    Two bundles with equal descriptions give their networks the same tensors and interpret the outputs in the same way.

    Args:
        parser: parser of `inference.json`.
    """
    parts = ("preprocessing", "n_classes", "inferer", "confidence_transforms", "label_map_transforms")
    return {part: describe(parser.get_parsed_content(part)) for part in parts}


def plain_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The plain entries of a configuration that results depend on, to be recorded with them.

    >>> plain_settings({"n4": True, "output_dir": "/out", "device": "$torch.device('cpu')", "window": [176, 176]})
    {'n4': True, 'window': [176, 176]}
    """
    return {key: value for key, value in config.items() if _is_setting(key) and _is_plain(value)}


def _is_setting(key: str) -> bool:
    return key not in _NO_SETTINGS and not key.endswith(("_dir", "_root"))


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" not in value and all(_is_plain(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return not (isinstance(value, str) and value.startswith(("$", "@", "%")))
