"""What a chain of transforms does, in plain data: two preparations are the same if their descriptions are."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose

__all__ = ["describe", "description_digest", "first_difference"]

_PLAIN = (str, int, float, bool, type(None))


def describe(transform: Any) -> Any:
    """Describe a transform by its class and its settings, as its object holds them.

    So whatever a configuration resolves to is compared, not how it is spelled, and no setting can be forgotten.
    Settings are public attributes; in private ones MONAI's transforms keep what depends on the machine, or on use.

    Args:
        transform: a transform, a `Compose` of them, or a setting of one.

    Returns:
        Plain data, ready for JSON: a list for a `Compose`; for other objects a dict with their class under `is`.
    """
    if isinstance(transform, Compose):
        return [describe(one) for one in transform.transforms]
    if isinstance(transform, float) and math.isnan(transform):
        return "nan"  # which is unequal to itself
    if isinstance(transform, _PLAIN):
        return transform
    if isinstance(transform, np.generic | np.ndarray):
        return describe(transform.tolist())
    if isinstance(transform, torch.Tensor):
        return describe(transform.detach().cpu().tolist())
    if isinstance(transform, Mapping):
        return {str(key): describe(value) for key, value in transform.items()}
    if isinstance(transform, list | tuple | set | frozenset):
        return [describe(one) for one in transform]
    if isinstance(transform, type) or not hasattr(transform, "__dict__"):
        return str(transform)
    if callable(transform) and hasattr(transform, "__qualname__"):
        return f"{transform.__module__}.{transform.__qualname__}"
    kind = f"{type(transform).__module__}.{type(transform).__qualname__}"
    public = (name for name in sorted(vars(transform)) if not name.startswith("_"))
    return {"is": kind} | {name: describe(getattr(transform, name)) for name in public}


def description_digest(description: Any) -> str:
    """SHA-256 of a description, hexadecimal.

    >>> description_digest({"a": 1, "b": 2}) == description_digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def first_difference(one: Any, other: Any, *, place: str = "transforms") -> str | None:
    """Name the first place where two descriptions differ, with both values; `None` where they do not.

    >>> first_difference([{"is": "A", "size": 3}], [{"is": "A", "size": 4}])
    'transforms[0].size is 3 and 4'
    """
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(f"{place}.{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{place}[{index}]", *both) for index, both in enumerate(zip(one, other, strict=True))]
    else:
        return None if one == other else f"{place} is {_shorten(one)} and {_shorten(other)}"
    return next(filter(None, (first_difference(a, b, place=name) for name, a, b in pairs)), None)


def _shorten(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
