"""What a user's settings may be: rules for those changed most, and the kind of the present value for all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Any

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.prepare.intensity import METHODS
from pipeline.read.datalists.cases import parse_scheme
from pipeline.train.schedules import SHAPES

__all__ = ["RULES", "Rule", "check_kind", "check_rule"]


@dataclass(frozen=True)
class Rule:
    """What a value must be.

    Attributes:
        words: in words, to follow "must be".
        holds: whether a value is so.
    """

    words: str
    holds: Callable[[Any], bool]


def check_rule(key: str, value: Any) -> None:
    """Check a value by the rule of its name.

    Raises:
        ConfigError: it does not hold.

    >>> check_rule("epochs", 80)
    >>> check_rule("schedule", "pollly")
    Traceback (most recent call last):
    pipeline.core.errors.ConfigError: `schedule` must be one of constant, poly, cosine, got 'pollly'
    """
    rule = RULES[key]
    if not rule.holds(value):
        raise ConfigError(f"`{key}` must be {rule.words}, got {value!r}")


def check_kind(key: str, value: Any, present: Any) -> None:
    """Check that a value is of the kind that its entry has: a number, text, true or false, a list, or a mapping.

    An expression, a reference and null say nothing of their kind, so that anything may take their place.

    Args:
        key: id of the entry, for the message.
        value: what the user gave.
        present: what stands there now.

    Raises:
        ConfigError: it is of another kind, or in place of a whole component.
    """
    if isinstance(present, Mapping) and "_target_" in present:
        raise ConfigError(
            f"`{key}` describes a component, whose settings are changed one by one, as `{key}#NAME`, got {value!r}"
        )
    if isinstance(present, str) and present.startswith(("$", "@", "%")):
        return
    for kind in _KINDS:
        if kind.holds(present) and not kind.holds(value):
            raise ConfigError(f"`{key}` must be {kind.words}, as {present!r}, got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


_KINDS = (
    Rule("true or false", lambda value: isinstance(value, bool)),
    Rule("a number", _is_number),
    Rule("text", lambda value: isinstance(value, str)),
    Rule("a list", _is_list),
    Rule("a mapping", lambda value: isinstance(value, Mapping)),
)
"""Kinds of plain values, in words, and how one is told."""


def _whole(least: int) -> Rule:
    return Rule(f"a whole number from {least} on", lambda value: _is_whole(value) and value >= least)


def _number(words: str, holds: Callable[[float], bool]) -> Rule:
    return Rule(f"a number {words}", lambda value: _is_number(value) and holds(value))


def _one_of(*names: str) -> Rule:
    return Rule(f"one of {', '.join(names)}", lambda value: value in names)


def _or_null(rule: Rule) -> Rule:
    return Rule(f"{rule.words}, or null", lambda value: value is None or rule.holds(value))


def _fits(value: Any, length: int, holds: Callable[[Any], bool]) -> bool:
    return _is_list(value) and len(value) == length and all(map(holds, value))


def _is_scheme(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(parse_scheme(value))
    except DatasetError:
        return False


_TRUTH = Rule("true or false", lambda value: isinstance(value, bool))
_FACTOR = _number("from 0 on", lambda value: value >= 0)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "epochs": _whole(1),
        "iterations": _whole(1),
        "batch_size": _whole(1),
        "learning_rate": _number("above 0", lambda value: value > 0),
        "weight_decay": _FACTOR,
        "schedule": _one_of(*SHAPES),
        "warmup_iterations": _whole(0),
        "val_interval": _whole(1),
        "val_fraction": _number("above 0 and below 1", lambda value: 0 < value < 1),
        "n_folds": Rule("0 or a whole number from 2 on", lambda value: _is_whole(value) and value >= 0 and value != 1),
        "fold": _whole(0),
        "average_decay": _number("from 0 to below 1", lambda value: 0 <= value < 1),
        "patience": _whole(1),
        "keep": _one_of("best", "last"),
        "max_minutes": _or_null(_number("above 0", lambda value: value > 0)),
        "seed": _whole(0),
        "deterministic": _TRUTH,
        "compile": _TRUTH,
        "resume": _TRUTH,
        "amp": _TRUTH,
        "pretrained": _or_null(Rule("a file's path", lambda value: isinstance(value, str))),
        "scheme": _or_null(Rule("a label scheme's name, or pairs as 1=LV,2=MYO", _is_scheme)),
        "extra_data": _or_null(Rule("a data list's path", lambda value: isinstance(value, str))),
        "rates": Rule(
            "a mapping of names to factors from 0 on",
            lambda value: isinstance(value, Mapping) and all(map(_FACTOR.holds, value.values())),
        ),
        "spacing_mm": Rule(
            "three numbers above 0, or -1 for what stays as it is",
            lambda value: _fits(value, 3, lambda side: _is_number(side) and (side > 0 or side == -1)),
        ),
        "window": Rule("two whole numbers from 1 on", lambda value: _fits(value, 2, _whole(1).holds)),
        "crop": Rule("two whole numbers from 1 on", lambda value: _fits(value, 2, _whole(1).holds)),
        "normalisation": _one_of(*METHODS, "subtract_mean"),
        "training_mean": _or_null(Rule("a number", _is_number)),
        "context": _whole(0),
        "n_classes": _whole(2),
    }
)
"""Name of a setting -> its rule, with or without a value in the configuration."""
