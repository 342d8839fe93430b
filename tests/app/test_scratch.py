"""Temporary folders beside results: held by their maker, cleared away after a kill, exchanged in one step."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.app import scratch as module
from pipeline.app.scratch import CLAIM, WRITING, clear_abandoned, replace_folder, scratch


def _folder(path: Path, content: str) -> Path:
    path.mkdir(parents=True)
    (path / "text").write_text(content)
    return path


def test_what_is_in_use_stays_and_what_was_abandoned_goes(tmp_path: Path) -> None:
    _folder(tmp_path / f"{WRITING}old" / "case", "half")
    _folder(tmp_path / f"{CLAIM}old" / "case", "half")
    _folder(tmp_path / "case", "whole")
    _folder(tmp_path / ".hidden", "the user's")
    with scratch(tmp_path, WRITING) as used:
        clear_abandoned(tmp_path, WRITING, CLAIM)
        assert {path.name for path in tmp_path.iterdir()} == {"case", ".hidden", used.name}
    assert {path.name for path in tmp_path.iterdir()} == {"case", ".hidden"}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool) -> None:
    if not can_exchange:
        monkeypatch.setattr(module, "_exchange", lambda *_: False)
    folder = _folder(tmp_path / "case", "old")
    with scratch(tmp_path, WRITING) as beside:
        replace_folder(folder, _folder(beside / "case", "new"))
        assert (folder / "text").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


@pytest.mark.parametrize("killed", ["before", "between", "after"])
def test_a_kill_between_the_two_steps_is_finished_by_the_next_run(tmp_path: Path, killed: str) -> None:
    """Where names cannot be exchanged, the old folder is moved aside, and then the new one into its place."""
    beside = tmp_path / f"{WRITING}1"
    _folder(tmp_path / "case" if killed == "before" else beside / ".old", "old")
    _folder(tmp_path / "case" if killed == "after" else beside / "case", "new")
    clear_abandoned(tmp_path, WRITING)
    assert [path.name for path in tmp_path.iterdir()] == ["case"]
    assert (tmp_path / "case" / "text").read_text() == ("old" if killed == "before" else "new")
