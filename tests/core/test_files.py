"""Files that are replaced whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.files import replacing, require_writable, write_json, write_text


def test_the_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.txt"
    write_text(file, "old\n")
    with replacing(file) as partial:
        partial.write_text("new")
        assert file.read_text() == "old\n"
    assert file.read_text() == "new"
    assert list(file.parent.iterdir()) == [file]


def _fill_up(file: Path) -> None:
    with replacing(file) as partial:
        partial.write_text("half")
        raise OSError(28, "No space left on device")


def test_an_error_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"a": 1})
    with pytest.raises(OSError, match="space"):
        _fill_up(file)
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert json.loads(file.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_an_output_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "deeper")
    assert not (tmp_path / "new").exists()
    file = tmp_path / "results"
    file.write_text("x")
    for place in (file, file / "below"):
        with pytest.raises(ConfigError, match="results need a folder, got the file"):
            require_writable(place)
