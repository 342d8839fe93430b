"""Accepted corrections as a training set, by one command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.core.labels import UNLABELLED
from pipeline.read.packs import pack_cases, read_packed_stacks


def test_accepted_corrections_become_a_pack(page, out: Path, untrained_bundle: Path, tmp_path: Path) -> None:
    record = page.get().json()["record"]
    page.post("choices", ed=record["ed_phase"], es=record["es_phase"], excluded_slices=[0])
    labels = page.labels()
    labels[record["ed_phase"], 3, :8, :8] = 3
    page.draw(record["ed_phase"], 3, labels[record["ed_phase"], 3])
    pack = tmp_path / "corrected.pack"
    command = ["pack", str(out), str(pack), "--accepted", "--bundle", str(untrained_bundle)]
    assert CliRunner().invoke(cli.app, command).exit_code != 0  # nothing is accepted yet
    assert page.post("save", status="accepted").status_code == 200
    checked = CliRunner().invoke(cli.app, ["check", str(out), "--accepted", "--json"])
    assert checked.exit_code == 0, checked.output
    (case,) = json.loads(checked.stdout)["cases"]
    assert case["drawn_phases"] == sorted({record["ed_phase"], record["es_phase"]})
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0
    listed = pack_cases(pack)
    stacks = read_packed_stacks(pack, range(len(listed)))
    assert {stack.patient for stack in stacks} == {"study"}
    drawn = np.concatenate([stack.label.ravel() for stack in stacks])
    assert {1, 2, 3} <= set(drawn.tolist())
    for stack in stacks:  # laid down from base to apex, the other way round
        assert [bool((level == UNLABELLED).all()) for level in stack.label] == [False] * 5 + [True]


@pytest.mark.parametrize("command", [["check"], ["train", "--out", "x", "--data"]])
def test_results_that_nobody_has_accepted_are_no_data_set(out: Path, command: list[str]) -> None:
    result = CliRunner().invoke(cli.app, [*command, str(out)])
    assert "no known layout" in str(result.exception)
