"""Sentences that go where only a pseudonym may."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.app.identity import without_paths

FILES = [Path("/in/Doe Jane/cine/IM-1.dcm"), Path("/in/Doe Jane/cine/2")]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("is cut short [/in/Doe Jane/cine/IM-1.dcm]", "is cut short [...]"),
        ("a phase is missing [/in/Doe Jane]", "a phase is missing [...]"),
        ("got others in IM-1.dcm and 2; take one out", "got others in ... and 2; take one out"),
        ("Permission denied: '/in/Doe Jane/cine/2'", "Permission denied: '...'"),
        ("needs 12 slices, got 2", "needs 12 slices, got 2"),
    ],
)
def test_neither_file_nor_folder_is_named(sentence: str, expected: str) -> None:
    assert without_paths(sentence, FILES) == expected


def test_a_relative_folder_is_no_word() -> None:
    files = [Path("data/4711.dcm")]
    assert without_paths("the data of 3 slices [data/4711.dcm]", files) == "the data of 3 slices [...]"
    assert without_paths("got others in 4711.dcm", files) == "got others in ..."


def test_without_files_nothing_changes() -> None:
    assert without_paths("no image", []) == "no image"
