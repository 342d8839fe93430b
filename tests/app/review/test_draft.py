from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.app.review.draft import Change, Decisions, Draft, Step, has_draft, refuse_drafts, set_aside
from pipeline.core.errors import ConfigError, InputError

BASE = np.zeros((2, 3, 4, 2), np.uint8)
FILE = Path("review") / "draft.jsonl"


def make_draft(folder: Path, sha256: str = "a") -> Draft:
    return Draft(folder, BASE, sha256, Decisions())


def paint(draft: Draft, phase: int, level: int, value: int) -> None:
    before = draft.labels[phase, :, :, level].copy()
    change = Change(phase, level, before, np.full_like(before, value))
    draft.do(Step((change,), draft.decisions, draft.decisions, "brush", "AB", "2026-11-27T10:36:36Z"))


def choose(draft: Draft, decisions: Decisions) -> None:
    draft.do(Step((), draft.decisions, decisions, "choices", "AB", "2026-11-27T10:36:36Z"))


def test_a_draft_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    draft = make_draft(tmp_path)
    assert not has_draft(tmp_path)
    paint(draft, 0, 1, 2)
    paint(draft, 1, 0, 3)
    choose(draft, Decisions(ed=1, excluded_slices=(0,)))
    draft.undo()
    draft.undo()
    draft.redo()
    again = make_draft(tmp_path)
    np.testing.assert_array_equal(again.labels, draft.labels)
    assert (again.labels[0, ..., 1] == 2).all()
    assert (again.labels[1, ..., 0] == 3).all()
    assert (again.decisions, again.n_lines, len(again.done), len(again.undone)) == (Decisions(), 6, 2, 1)
    again.redo()
    assert again.decisions == Decisions(ed=1, excluded_slices=(0,))
    assert not BASE.any()


def test_undone_steps_are_forgotten_by_the_next(tmp_path: Path) -> None:
    draft = make_draft(tmp_path)
    paint(draft, 0, 0, 1)
    (change,) = draft.undo()
    assert (change.phase, change.level, change.after.max()) == (0, 0, 0)
    paint(draft, 0, 1, 1)
    with pytest.raises(ConfigError, match="redo"):
        draft.redo()
    draft.undo()
    with pytest.raises(ConfigError, match="undo"):
        draft.undo()


def test_a_crash_loses_the_step_in_hand_alone(tmp_path: Path) -> None:
    paint(make_draft(tmp_path), 0, 0, 1)
    whole = (tmp_path / FILE).read_bytes()
    paint(make_draft(tmp_path), 0, 1, 2)
    both = (tmp_path / FILE).read_bytes()
    for n_bytes in range(len(whole), len(both)):
        (tmp_path / FILE).write_bytes(both[:n_bytes])
        draft = make_draft(tmp_path)
        assert draft.n_lines == 1
        assert (tmp_path / FILE).read_bytes() == whole
    for n_bytes in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:n_bytes])
        assert make_draft(tmp_path).n_lines == 0
        assert not has_draft(tmp_path)
    paint(make_draft(tmp_path), 0, 0, 1)
    assert (tmp_path / FILE).read_bytes() == whole


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = make_draft(tmp_path)
    paint(draft, 0, 0, 1)
    before = (tmp_path / FILE).read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            paint(draft, 0, 0, 2)
        with pytest.raises(OSError, match="No space"):
            draft.undo()
    assert (tmp_path / FILE).read_bytes() == before
    assert (draft.labels[0, ..., 0] == 1).all()


def test_a_draft_of_other_labels_or_a_damaged_one_is_refused_and_kept(tmp_path: Path) -> None:
    paint(make_draft(tmp_path), 0, 0, 1)
    with pytest.raises(InputError, match="changed since"):
        make_draft(tmp_path, "b")
    header, step = (tmp_path / FILE).read_text().splitlines()
    for damaged in ("{", '{"step": {}}', step.replace('"phase":0', '"phase":7'), '{"redo": true}', "[]"):
        (tmp_path / FILE).write_text(f"{header}\n{damaged}\n")
        with pytest.raises(InputError, match="damaged"):
            make_draft(tmp_path)
    set_aside(tmp_path, "2026-11-27T10:36:36Z")
    assert make_draft(tmp_path).n_lines == 0
    assert (tmp_path / "review" / "draft-2026-11-27T103636Z.jsonl").is_file()


def test_a_case_with_a_draft_is_left_alone(tmp_path: Path) -> None:
    refuse_drafts(tmp_path)
    draft = make_draft(tmp_path)
    paint(draft, 0, 0, 1)
    with pytest.raises(InputError, match="being drawn"):
        refuse_drafts(tmp_path)
    draft.remove()
    refuse_drafts(tmp_path)
