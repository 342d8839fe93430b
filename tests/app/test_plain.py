"""A value from outside comes out of MONAI's parser as it went in, and nothing of it is evaluated."""

from __future__ import annotations

import ast
import datetime
import json
import math
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from monai.bundle import ConfigParser

from pipeline.app.plain import as_entries, as_plain_data
from pipeline.core.errors import ConfigError

SIGNS = ("$", "@", "%", "#", "::", "@#", "%##", "@::", "'", '"', "\\", "\n", "import os", "other", "touch(1)", " ", "é")
texts = st.one_of(
    st.text(st.characters()),  # lone surrogates too, as names of files that are not UTF-8 have
    st.lists(st.sampled_from(SIGNS), max_size=6).map("".join),
    st.sampled_from(
        ["$touch(1)", "@other", "%other", "%no_such.json::x", "$import this", "@", "$", "${'a': touch(1)}"]
    ),
)
keys = texts.filter(lambda key: not (len(key) > 1 and key[0] == key[-1] == "_"))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)


def _round_trip(entry: Any) -> tuple[list[Any], list[int]]:
    """What MONAI makes of an entry where values stand in our configurations, and how often code in it ran."""
    touched: list[int] = []
    config = {
        "other": "secret",
        "value": entry,
        "inside": {"list": [entry]},
        "refers": "@value",
        "expression": "$@value",
        "component": {"_target_": "builtins.dict", "given": "@value", "own": entry},
    }
    parser = ConfigParser(json.loads(json.dumps(config)), globals={"touch": touched.append})
    component = parser.get_parsed_content("component")
    found = [parser.get_parsed_content(key) for key in ("value", "refers", "expression")]
    return [*found, parser.get_parsed_content("inside")["list"][0], component["given"], component["own"]], touched


@given(values)
@example("$touch(1)")
@example("$(touch(1))")
@example("@other")
@example("%other")
@example("mail@#other")
@example("out#1")
@example("a::b")
@example("\ud800\udc00")
@example(["$touch(1)", -math.inf, True, None, -1.5])
@example({"a#b": "@other", "a": {"b": 1}})
@example({" a ": "$touch(1)"})
def test_a_value_comes_out_as_it_went_in_and_nothing_runs(value: Any) -> None:
    found, touched = _round_trip(as_plain_data(value))
    assert found == [value] * len(found)
    assert touched == []


def test_the_round_trip_notices_code() -> None:
    assert _round_trip("$touch(1)")[1] != []
    assert _round_trip("@other")[0][0] == "secret"


@given(values)
def test_what_is_to_be_evaluated_is_a_literal_in_harmless_letters(value: Any) -> None:
    entry = as_plain_data(value)
    if not (isinstance(entry, str) and entry.startswith("$")):
        return
    assert entry.isascii()
    assert not set(entry[1:]) & set("$@%#")
    allowed = (ast.Constant, ast.List, ast.Dict, ast.Load, ast.UnaryOp, ast.USub)
    assert all(isinstance(node, allowed) for node in ast.walk(ast.parse(entry[1:], mode="eval").body))


@pytest.mark.parametrize(
    "value", [80, 1e-3, True, None, "cosine", "/data/my study", "Müller", [16, 32], {"backbone": 0.1}, {"a": ["b", []]}]
)
def test_ordinary_values_are_written_as_they_are(value: Any) -> None:
    assert as_plain_data(value) == value


def test_tuples_and_whole_numbers_as_keys_become_what_json_has() -> None:
    assert as_plain_data({4: ("a", "b")}) == {"4": ["a", "b"]}


def test_not_a_number_beside_a_text_that_must_be_written_as_an_expression() -> None:
    found, _ = _round_trip(as_plain_data([math.nan, "@other"]))
    assert all(math.isnan(number) and text == "@other" for number, text in found)


@pytest.mark.parametrize("key", ["_target_", "_disabled_", "_requires_", "_desc_", "_mode_", "_debug_", "_new_"])
def test_a_component_is_no_value(key: str) -> None:
    for value in ({key: "os.system"}, {"loss": [{key: "os.system"}]}):
        with pytest.raises(ConfigError, match=f"{key}.*a component is written into the configuration"):
            as_plain_data(value)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, datetime.date(2024, 1, 1), {True: 1}, {None: 1}, torch.zeros(1)])
def test_what_json_has_not_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="must"):
        as_plain_data(value)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "epochs ",
        " _target_",
        "a##b",
        "network_def#_mode_",
        "net#_requires_",
        "_target_#x",
        "_meta_#version",
        "_desc_",
    ],
)
def test_an_id_is_an_entrys_and_no_word_of_monais(key: str) -> None:
    with pytest.raises(ConfigError):
        as_entries({key: "x"})


def test_a_component_can_be_switched_off_but_by_true_or_false_alone() -> None:
    assert as_entries({"train#handlers#0#_disabled_": True}) == {"train#handlers#0#_disabled_": True}
    with pytest.raises(ConfigError, match="true or false"):
        as_entries({"train#handlers#0#_disabled_": "$touch(1)"})


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_is_torchs(device: str) -> None:
    (entry,) = as_entries({"device": device}).values()
    assert ConfigParser({"device": entry}).get_parsed_content("device") == torch.device(device)


@pytest.mark.parametrize("device", ["gpu", "$touch(1)", "cpu')", "", None, [1]])
def test_another_device_is_refused(device: Any) -> None:
    with pytest.raises(ConfigError, match="cuda:0"):
        as_entries({"device": device})
