from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.review.audit import verify_chain
from pipeline.app.review.desk import Desk
from pipeline.app.review.session import Verdict

FILE = Path("review") / "audit.jsonl"


@pytest.fixture(scope="module")
def decided_once(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a case that was corrected, rejected and accepted; no test changes them."""
    out = Path(shutil.copytree(written, tmp_path_factory.mktemp("decided") / "out"))
    with Desk(out).opened("study") as opened:
        drawn = base64.b64encode(np.full((48, 48), 2, np.uint8).tobytes()).decode()
        opened.stroke([{"phase": 0, "slice": 1, "labels": drawn}], tool="fill", reader="Dr One")
        for status in ("corrected", "rejected", "accepted"):
            opened.save(Verdict(status), reader="Dr One")
    return out


@pytest.fixture
def out(decided_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(decided_once, tmp_path / "out"))


@pytest.fixture
def decided(out: Path) -> Path:
    return out / "study"


def test_a_trail_as_written_is_whole(decided: Path, out: Path) -> None:
    found = verify_chain(decided)
    assert (found.n_entries, found.fault) == (3, None)
    assert found.head == json.loads((decided / FILE).read_text().splitlines()[-1])["sha256"]
    result = CliRunner().invoke(cli.app, ["review", "--verify", str(out)])
    assert (result.exit_code, found.head in result.output) == (0, True)


def change_number(lines: list[str]) -> list[str]:
    entry = json.loads(lines[1])
    entry["after"]["edv_ml"] = 100.0
    return [lines[0], json.dumps(entry), lines[2]]


TAMPERINGS: dict[str, Callable[[list[str]], list[str]]] = {
    "a number": change_number,
    "a name": lambda lines: [line.replace("Dr One", "Dr Two") for line in lines],
    "the first is gone": lambda lines: lines[1:],
    "one between is gone": lambda lines: [lines[0], lines[2]],
    "the last is gone": lambda lines: lines[:-1],
    "all are gone": lambda _: [],
    "another order": lambda lines: [lines[1], lines[0], lines[2]],
    "one twice": lambda lines: [*lines, lines[2]],
    "no JSON": lambda lines: [*lines[:2], lines[2][:-1]],
    "no object": lambda lines: [*lines, "7"],
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_trail_that_was_changed_is_told(decided: Path, out: Path, tampering: str) -> None:
    lines = (decided / FILE).read_text().splitlines()
    changed = TAMPERINGS[tampering](lines)
    assert changed != lines
    (decided / FILE).write_text("".join(f"{line}\n" for line in changed))
    assert verify_chain(decided).fault
    result = CliRunner().invoke(cli.app, ["review", "--verify", str(out)])
    assert (result.exit_code, "BROKEN" in result.output) == (1, True)


def test_a_trail_without_its_file_or_a_changed_decision_is_told(decided: Path) -> None:
    trail = (decided / FILE).read_text()
    (decided / FILE).unlink()
    assert "not the trail's" in str(verify_chain(decided).fault)
    (decided / FILE).write_text(trail)
    path = decided / "measurements.json"
    record = json.loads(path.read_text())
    record["review"]["reader"] = "Dr Two"
    path.write_text(json.dumps(record))
    assert "not the trail's" in str(verify_chain(decided).fault)


def test_a_case_that_nobody_has_decided_on_is_whole(written: Path) -> None:
    found = verify_chain(written / "study")
    assert (found.n_entries, found.head, found.fault) == (0, "0" * 64, None)
