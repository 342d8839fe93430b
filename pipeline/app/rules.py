"""Validation of users' settings: rules for the most common ones, and the type of the present value for all others."""

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
    """A rule for a value.

    Attributes:
        words: the rule in words, to follow "must be".
        holds: whether a value satisfies it.
    """

    words: str
    holds: Callable[[Any], bool]


def check_rule(name: str, value: Any, *, key: str | None = None) -> None:
    """Check a value by the rule of a setting.

    Args:
        name: of the setting.
        value: what the user gave.
        key: id of the entry, for the message, where it is another name for the setting.

    Raises:
        ConfigError: the rule is violated.

    >>> check_rule("epochs", 80)
    >>> check_rule("schedule", "pollly")
    Traceback (most recent call last):
    pipeline.core.errors.ConfigError: `schedule` must be one of constant, poly, cosine, got 'pollly'
    """
    rule = RULES[name]
    if not rule.holds(value):
        raise ConfigError(f"`{key or name}` must be {rule.words}, got {value!r}")


def check_kind(key: str, value: Any, present: Any) -> None:
    """Check that a value has the type of its entry: a number, text, true or false, a list, or a mapping.

    An expression, a reference and null have no known type, so anything may replace them.

    Args:
        key: id of the entry, for the message.
        value: the user's value.
        present: the present value.

    Raises:
        ConfigError: the value has another type, or would replace a whole component.
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
"""Types of plain values, in words, and their tests."""


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
_PATH = Rule("a path", lambda value: isinstance(value, str) and bool(value))
_FACTOR = _number("from 0 on", lambda value: value >= 0)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "epochs": _whole(1),
        "iterations": _whole(1),
        "batch_size": _whole(1),
        "n_iterations": _whole(1),
        "lr_scheduler#n_iterations": _whole(1),
        "lr_scheduler#n_warmup": _whole(0),
        "lr_scheduler#n_constant": _whole(0),
        "lr_scheduler#every": _whole(1),
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
        "title": Rule("text or a number", lambda value: isinstance(value, str) or _is_number(value)),
        "output_dir": _PATH,
        "ckpt_dir": _PATH,
        "weights": _PATH,
        "cache_dir": _or_null(_PATH),
        "tracking": _one_of("none", "tensorboard", "mlflow"),
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
        "crop": _or_null(Rule("two whole numbers from 1 on", lambda value: _fits(value, 2, _whole(1).holds))),
        "batch_slices": _whole(1),
        "overlap": _number("from 0 to below 1", lambda value: 0 <= value < 1),
        "turns_deg": Rule(
            "a list of one rotation or more, in degrees",
            lambda value: _is_list(value) and bool(value) and all(map(_is_number, value)),
        ),
        "bsa_method": _one_of("mosteller", "dubois"),
        "papillary": _one_of("cavity", "mass"),
        "ed_phase": _or_null(_whole(0)),
        "es_phase": _or_null(_whole(0)),
        "cases": Rule("all, or the path of a training's run.json", lambda value: isinstance(value, str)),
        "normalisation": _one_of(*METHODS, "subtract_mean"),
        "training_mean": _or_null(Rule("a number", _is_number)),
        "context": _whole(0),
        "n_classes": _whole(2),
    }
)
"""Name of a setting -> its rule, with or without a value in the configuration."""
