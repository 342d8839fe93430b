"""Settings that a configuration does not spell out: what the components in it take beside."""

from __future__ import annotations

from inspect import Parameter, signature
from pydoc import locate
from typing import Any

from monai.bundle import ConfigComponent, ConfigParser, ReferenceResolver

__all__ = ["has_entry", "present_value"]


def has_entry(parser: ConfigParser, key: str) -> bool:
    """Whether a configuration has an entry, or a component that takes a setting of that name.

    So every setting that a class's docstring offers can be given, as `train#handlers#4#every` of `StopOnNan(every=20)`,
    and a mistyped one cannot.

    Args:
        parser: the configuration.
        key: id of the entry.
    """
    return key in parser or _parameter(parser, key) is not None


def present_value(parser: ConfigParser, key: str) -> Any:
    """What an entry holds, or what its component takes where it is not spelled out; `None` where there is neither."""
    if key in parser:
        return parser[key]
    parameter = _parameter(parser, key)
    return None if parameter is None or parameter.default is Parameter.empty else parameter.default


def _parameter(parser: ConfigParser, key: str) -> Parameter | None:
    """The parameter that a setting would give to the component it belongs to."""
    *parents, last = ReferenceResolver.split_id(key)
    owner = ReferenceResolver.sep.join(parents)
    if not parents or owner not in parser or not ConfigComponent.is_instantiable(parser[owner]):
        return None
    target = ConfigComponent(config=parser[owner]).resolve_module_name()
    component = locate(target) if isinstance(target, str) else target
    try:
        parameter = signature(component).parameters.get(last)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return parameter if parameter is not None and parameter.kind in named else None
