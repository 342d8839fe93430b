"""Files that are replaced whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.files import flush, replacing, require_writable, write_json, write_text
from pipeline.core.locks import holding


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


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the disk, in order: names of what is flushed, and of files that take another's place."""
    asked: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        asked.append(f"flush {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        asked.append(f"name {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return asked


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell what is open")


@needs_proc
def test_content_is_on_the_disk_before_its_name_and_the_name_before_all_else(
    tmp_path: Path, on_disk: list[str]
) -> None:
    write_text(tmp_path / "run" / "a.json", "1")
    content, *names = on_disk
    assert content.startswith("flush a.json.")
    assert names == ["name a.json", "flush run"]


@needs_proc
def test_a_folder_is_flushed_from_within(tmp_path: Path, on_disk: list[str]) -> None:
    (tmp_path / "case" / "deep").mkdir(parents=True)
    (tmp_path / "case" / "deep" / "a").write_text("1")
    (tmp_path / "case" / "deep" / "link").symlink_to("nowhere")
    flush(tmp_path / "case")
    assert on_disk == ["flush a", "flush deep", "flush case"]


def test_a_disk_that_turns_out_to_be_full_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a", "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        write_text(tmp_path / "a", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_two_who_write_one_file_do_not_meet(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as mine, replacing(tmp_path / "a") as theirs:
        mine.write_text("mine, which is longer")
        theirs.write_text("theirs")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine, which is longer"]


def test_what_a_kill_left_is_removed_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    for name in ("a.01.partial", "a.02.partial", "ab.03.partial"):
        (tmp_path / name).write_text(name)
    with holding(tmp_path / "a.02.partial"):
        write_text(tmp_path / "a", "new")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.02.partial", "ab.03.partial"]
    write_text(tmp_path / "a", "newer")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "ab.03.partial"]
