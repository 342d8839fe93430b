"""Whether a bundle's configurations do no more than those of this project: only then are they run unasked.

A bundle's configurations are programs: an expression in one could read files, send them away, or start commands.
Those of unknown origin are compared with a list of what the recipes of this project are made of. A trained copy keeps
to it, whatever its settings. Anything else is named and refused, unless the user trusts the bundle.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ReferenceResolver

from pipeline import parts
from pipeline.app.components import is_component
from pipeline.app.configs import read_configs
from pipeline.app.defaults import TRUST_VARIABLE
from pipeline.core.errors import BundleError

__all__ = ["Finding", "find_foreign_code", "require_trusted", "vouch_for"]

_SHOWN, _LONGEST = 5, 80
"""Findings that a refusal names, and characters of each."""

_IMPORTS = frozenset(
    {"import sys", "import torch", "import monai", "import pipeline", "import pipeline.parts"}
    | {"from importlib.util import find_spec", "from pathlib import Path"}
)
_TARGETS = frozenset(
    {"Compose", "Invertd", "Resized", "DataLoader", "Dataset", "DistributedSampler", "UNet"}
    | {"SupervisedTrainer", "SupervisedEvaluator", "LrScheduleHandler", "StatsHandler", "TensorBoardStatsHandler"}
    | {"ignite.handlers.ProgressBar", "torch.nn.parallel.DistributedDataParallel"}
)
"""Components of MONAI, Ignite and torch in the recipes, besides networks, losses and optimisers."""

_CHAINS = frozenset(
    {"torch.device", "torch.float32", "torch.cuda.is_available", "torch.distributed.get_rank"}
    | {"sys.exit"}
    | {f"{parts.__name__}.{name}" for name in parts.__all__}
)
"""Names with dots that stand for one thing."""
_FUNCTIONS = frozenset({"str", "int", "float", "bool", "len", "min", "max", "list", "dict", "tuple", "hasattr", "Path"})
_METHODS = frozenset({"to", "resolve", "run"})
_ATTRIBUTES = frozenset(
    {"name", "files", "overlap", "network", "fraction", "origin", "submodule_search_locations", "dtype"}
)
_WHOLE = frozenset({"find_spec('pipeline')", "'pipeline.parts' in sys.modules", "sys.modules['pipeline']"})
"""Parts of expressions that stand for themselves: `sys.modules` with another name would be a door to any module."""
_REFERENCES = "__references"
"""Stands for what `@id` refers to, in the text that is parsed as MONAI makes it."""
_FETCHES = ("pretrained", "network_type")
"""Begin the names of arguments by which some of MONAI's networks and losses load pickles, or code, from elsewhere."""
_MODES = frozenset({"default", "callable", "partial"})
_SYNTAX = (
    *(ast.Module, ast.Expr, ast.Load, ast.Store, ast.Name, ast.Attribute, ast.Call, ast.keyword, ast.Constant),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.UnaryOp, ast.Not, ast.USub),
    *(ast.BoolOp, ast.And, ast.Or, ast.IfExp, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
    *(ast.In, ast.NotIn, ast.Is, ast.IsNot, ast.Subscript, ast.Slice, ast.List, ast.Tuple, ast.Dict, ast.Starred),
    *(ast.ListComp, ast.comprehension),
)

_vouched_for: set[str] = set()
"""Components that the user has named to this process."""


@dataclass(frozen=True)
class Finding:
    """Something in a configuration that the recipes have not.

    Attributes:
        entry: the configuration's name and the entry's id, as `inference: dataset#data`.
        reason: what it is, for a sentence.
    """

    entry: str
    reason: str


def require_trusted(bundle: Path) -> None:
    """Refuse a bundle that contains code of its own, unless the user trusts it.

    Args:
        bundle: its folder.

    Raises:
        BundleError: it does, and `CMR_TRUST` is not 1; the message lists what was found.
    """
    if os.environ.get(TRUST_VARIABLE) == "1":
        return
    found = [finding for name, config in read_configs(bundle).items() for finding in find_foreign_code(config, name)]
    if not found:
        return
    shown = "; ".join(f"{finding.entry} {finding.reason}" for finding in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise BundleError(
        f"the bundle {bundle} contains code that is not of this library's recipes, which could do anything on this "
        f"machine: {shown}{more}. If you know where it comes from, run it by `cmr --trust ...`"
    )


def vouch_for(target: str) -> None:
    """Let bundles use a component that the user has named to this process, as by `cmr train --network`."""
    _vouched_for.add(target)


def find_foreign_code(config: Mapping[str, Any], name: str) -> list[Finding]:
    """Find components and expressions that are not made of what the recipes are made of.

    Args:
        config: a configuration, as `read_configs` gives it.
        name: its name, for the findings.
    """
    return [
        Finding(f"{name}: {key or 'the whole'}", reason) for key, value in _entries(config) for reason in _doubts(value)
    ]


def _entries(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every component and every text in a configuration, with its id. Keys of mappings are texts too."""
    if isinstance(value, Mapping):
        yield key, value
        for part, item in value.items():
            yield f"{key}#{part}".lstrip("#"), str(part)
            yield from _entries(item, f"{key}#{part}".lstrip("#"))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _entries(item, f"{key}#{index}".lstrip("#"))
    elif isinstance(value, str):
        yield key, value


def _doubts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        target = value.get("_target_")
        if "_target_" in value and not _may_be_made(target):
            yield f"makes {target!r}"
        if str(target).startswith("monai.") and any(key.startswith(_FETCHES) and item for key, item in value.items()):
            yield f"lets {target!r} fetch weights"
        if value.get("_mode_", "default") not in _MODES:
            yield f"has the mode {value['_mode_']!r}"
    elif value.startswith("%"):
        yield f"reads {value[1:]!r} into the configuration"
    elif value.startswith("$"):
        yield from _doubts_of_expression(value[1:])


def _may_be_made(target: Any) -> bool:
    return isinstance(target, str) and (target in _TARGETS | _vouched_for or is_component(target))


def _doubts_of_expression(text: str) -> Iterator[str]:
    if text.strip() in _IMPORTS:
        return
    try:
        tree = ast.parse(_with_references(text).strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield f"cannot be understood: {_short(text)}"
        return
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    reason = next((reason for node in ast.iter_child_nodes(tree) if (reason := _doubt(node, bound))), None)
    if len(tree.body) != 1:
        yield f"is no single expression: {_short(text)}"
    elif reason is not None:
        yield f"{reason} in {_short(text)}"


def _short(text: str) -> str:
    """A text of a stranger for a sentence: without its control characters, and not too long."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _with_references(text: str) -> str:
    """The text that MONAI evaluates: `@id` becomes a look-up, wherever it stands."""
    matcher, sign = ReferenceResolver.id_matcher, ReferenceResolver.ref
    normal = ReferenceResolver.normalize_id(text)
    return str(matcher.sub(lambda match: f"{_REFERENCES}['{match[0].removeprefix(sign)}']", normal))


def _doubt(node: ast.AST, bound: set[str]) -> str | None:
    """Why a part of an expression is not as in the recipes, or `None` if it is."""
    if (text := ast.unparse(node)) in _WHOLE or (isinstance(node, ast.Attribute) and text in _CHAINS):
        return None
    if not isinstance(node, _SYNTAX):
        return f"has {type(node).__name__}"
    if isinstance(node, ast.Name) and node.id not in _FUNCTIONS | bound | {_REFERENCES}:
        return f"names {node.id!r}"
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and _hides(node.id):
        return f"redefines {node.id!r}"
    if isinstance(node, ast.Attribute) and node.attr not in _ATTRIBUTES | _METHODS:
        return f"takes .{node.attr}"
    if isinstance(node, ast.Call) and not _may_be_called(node.func):
        return f"calls {_short(ast.unparse(node.func))}"
    return next((reason for child in ast.iter_child_nodes(node) if (reason := _doubt(child, bound))), None)


def _hides(name: str) -> bool:
    """Whether a variable of an expression takes the name of something that means something else."""
    return name.startswith("_") or name in _FUNCTIONS or any(chain.split(".")[0] == name for chain in _CHAINS)


def _may_be_called(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _FUNCTIONS
    if isinstance(function, ast.Attribute):
        return ast.unparse(function) in _CHAINS or function.attr in _METHODS
    return False
