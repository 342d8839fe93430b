"""Folders that are held by who writes into them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core.locks import holding


def test_one_holds_a_folder_at_a_time(tmp_path: Path) -> None:
    with holding(tmp_path) as first, holding(tmp_path) as second:
        assert (first, second) == (True, False)
    with holding(tmp_path) as later:
        assert later
    assert not list(tmp_path.iterdir())


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom pipeline.core.locks import holding\n"
        "with holding(Path(sys.argv[1])) as mine:\n    print(mine, flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as other:
        assert other.stdout.readline() == "True\n"
        with holding(tmp_path) as mine:
            assert not mine
        other.kill()
    with holding(tmp_path) as mine:
        assert mine


def test_a_disk_without_locks_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with holding(tmp_path) as mine:
        assert mine
