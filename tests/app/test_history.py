from __future__ import annotations

import re
from pathlib import Path

from pipeline.app.folders import rewrite
from pipeline.app.history import HISTORY, keep_previous, utc_now


def write(folder: Path, text: str) -> None:
    for name in ("segmentation.nii.gz", "report.html"):
        (folder / name).write_text(text)


def test_results_are_kept_each_time_others_take_their_place(tmp_path: Path) -> None:
    case = tmp_path / "case"
    case.mkdir()
    (case / "mine.txt").write_text("mine")

    def fill(text: str) -> None:
        def make(new: Path) -> None:
            keep_previous(case, new)
            write(new, text)

        rewrite(case, make)

    for text in ("first", "second", "third"):  # within one second
        fill(text)
    kept = sorted((case / HISTORY).iterdir(), key=lambda path: (len(path.name), path.name))
    assert {(path / "report.html").read_text() for path in kept} == {"first", "second"}
    assert all(re.fullmatch(r"\d{8}T\d{6}Z(-\d+)?", path.name) for path in kept)
    assert {path.name for path in kept[0].iterdir()} == {"segmentation.nii.gz", "report.html"}  # ours alone
    assert (case / "report.html").read_text() == "third"
    assert (case / "mine.txt").read_text() == "mine"


def test_a_folder_without_results_has_no_history(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    assert keep_previous(tmp_path / "old", tmp_path / "new") is None
    assert not list((tmp_path / "new").iterdir())


def test_times_are_as_records_state_them() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", utc_now())
