"""One phase of a cine's labels, for those who ask for one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from pipeline.app.answers import AnswerPhased, find_phase
from pipeline.core.errors import ConfigError


def _labels(areas: list[int], value: int = 1) -> MetaTensor:
    """A structure of so many pixels in each of three slices, phase by phase."""
    labels = torch.zeros(len(areas), 20, 20, 3, dtype=torch.uint8)
    for phase, area in enumerate(areas):
        labels[phase].view(400, 3)[:area] = value
    return MetaTensor(labels, affine=torch.diag(torch.tensor([2.0, 2.0, 8.0, 1.0])))


@pytest.mark.parametrize(
    ("asked", "phase"), [("ed", 1), (" ES ", 6), (2, 2), ("0", 0), (["es", "ed"], 6), (("ed", "es"), 1)]
)
def test_a_phase_by_name_or_number(asked: Any, phase: int) -> None:
    labels = _labels([round(250 + 100 * math.cos(2 * math.pi * (phase - 1) / 10)) for phase in range(10)])
    answered = AnswerPhased("pred")({"pred": labels, "phase": asked})
    assert torch.equal(answered["pred"].as_tensor(), labels.as_tensor()[phase : phase + 1])
    assert torch.equal(answered["pred"].affine, labels.affine)
    assert answered["result"] == {"phase": phase, "n_phases": 10}


@pytest.mark.parametrize("asked", [None, "", []])
def test_who_asks_for_nothing_gets_all(asked: Any) -> None:
    item = {"pred": _labels([300, 100]), "phase": asked, "result": {"else": 1}}
    assert AnswerPhased("pred")(item) == item


def test_a_single_phase_answers_both_names_and_others_things_stay() -> None:
    item = {"pred": _labels([300]), "phase": "es", "result": {"else": 1}}
    assert AnswerPhased("pred")(item)["result"] == {"else": 1, "phase": 0, "n_phases": 1}


@pytest.mark.parametrize(
    ("asked", "labels", "sentence"),
    [
        (3, _labels([300, 200, 100]), "must be ed, es, or a number from 0 to 2, got 3"),
        (-1, _labels([300, 200, 100]), "from 0 to 2, got -1"),
        ("diastole", _labels([300, 200, 100]), "got 'diastole'"),
        ("ed", _labels([0, 0, 0]), "no left ventricle was found: ask by number, 0 to 2"),
        ("es", _labels([300, 200, 100], value=2), "no left ventricle was found"),
    ],
)
def test_what_cannot_be_told_is_refused(asked: Any, labels: MetaTensor, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        find_phase(labels, asked)
