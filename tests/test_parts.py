"""The names that configurations may use: all there, each once, and no other one in use."""

from __future__ import annotations

import ast
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

import pipeline
from pipeline import parts
from pipeline.app.named import named_network
from pipeline.core.shipped import BUNDLES, CONFIGS
from pipeline.networks.registry import NETWORKS
from pipeline.train.losses import Jaccard

CHECKOUT = CONFIGS.parent
PACKAGES = sorted(path.parent.name for path in (CHECKOUT / "pipeline").glob("*/__init__.py"))
NAMED = re.compile(rf"\bpipeline\.(?:{'|'.join(PACKAGES)}|parts)\b[\w.]*")
CONFIGURATIONS = [*CONFIGS.rglob("*.yaml"), *BUNDLES.glob("*/configs/*.json")]
SOURCES = [*(CHECKOUT / "pipeline").rglob("*.py"), *(CHECKOUT / "benchmarks").rglob("*.py")]


def _texts(entry: Any) -> Iterator[str]:
    """Every text of a configuration, its keys and its own comments aside."""
    if isinstance(entry, dict):
        entry = list(entry.values())
    if isinstance(entry, list):
        for item in entry:
            yield from _texts(item)
    elif isinstance(entry, str):
        yield entry


def _literals(source: Path) -> Iterator[str]:
    """Every text in a module that is no docstring."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def _names_in_configurations() -> set[str]:
    entries = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in CONFIGURATIONS]
    entries += [named_network(name) for name in NETWORKS]
    return {name for text in _texts(entries) for name in NAMED.findall(text)}


def test_every_part_is_there() -> None:
    for name in parts.MODULES:
        found = getattr(parts, name)
        if callable(found):
            assert (found.__module__, found.__name__) == (parts.MODULES[name], name)


def test_no_two_parts_have_one_name() -> None:
    listed = [name for names in parts._BY_MODULE.values() for name in names]
    assert sorted(set(listed)) == sorted(listed) == list(parts.__all__)
    assert set(listed) <= set(dir(parts))


def test_configurations_name_parts_alone() -> None:
    names = _names_in_configurations()
    assert len(names) > 40
    assert names - {"pipeline.parts"} <= {f"pipeline.parts.{name}" for name in parts.MODULES}


def test_what_the_program_writes_into_configurations_names_parts_alone() -> None:
    known = {f"pipeline.parts.{name}" for name in parts.MODULES}
    tables = {Path(parts.__file__), Path(pipeline.__file__)}  # of parts, and of names to import: neither is written
    for source in set(SOURCES) - tables:
        dotted = {name for text in _literals(source) for name in re.findall(r"\bpipeline(?:\.\w+){2,}", text)}
        assert {name for name in dotted - known if not _is_module(name)} == set(), source


def _is_module(name: str) -> bool:
    """Whether a dotted name is a module's, which is run or imported, and no part's."""
    place = CHECKOUT / name.replace(".", "/")
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_monai_finds_parts_in_targets_and_in_expressions() -> None:
    parser = ConfigParser(
        {
            "imports": ["$import pipeline", "$import pipeline.parts"],
            "loss": {"_target_": "pipeline.parts.Jaccard"},
            "rates": "$pipeline.parts.STUDY_RATES",
        }
    )
    loss = parser.get_parsed_content("loss")
    assert type(loss) is Jaccard
    assert type(pickle.loads(pickle.dumps(loss))) is Jaccard
    assert parser.get_parsed_content("rates") is parts.STUDY_RATES
    assert loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4)).ndim == 0


def test_an_unknown_part_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no part 'Jacard'"):
        parts.Jacard  # noqa: B018


def test_nothing_else_is_imported_with_the_names() -> None:
    code = "import sys, json, pipeline.parts; print(json.dumps([m for m in sys.modules if m.startswith('pipeline.')]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["pipeline.parts"]
