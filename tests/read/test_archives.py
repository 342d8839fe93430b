"""Files in archives, named through them and opened like those on the disk."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import pytest

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.read.archives import archive_of, name_of_archive, opened


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """outer.zip with 1, deep/2 and inner.zip, which holds 3."""
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as file:
        file.writestr("3", "three")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as file:
        file.writestr("1", "one")
        file.writestr("deep/2", "two")
        file.write(tmp_path / "inner.zip", "inner.zip")
    (tmp_path / "4").write_text("four")
    return tmp_path / "outer.zip"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_archive_that_a_path_leads_through(nested: Path) -> None:
    for path in (nested, nested / "1", nested / "inner.zip" / "3", nested / "nowhere"):
        assert archive_of(path) == nested
    for path in (nested.parent, nested.parent / "4", nested.parent / "nowhere" / "5", Path("nowhere")):
        assert archive_of(path) is None


def test_names() -> None:
    names = ("a.zip", "a.TAR.GZ", "a.b.tgz", "a.tar", "a", "a.dcm", "tar")
    assert [name_of_archive(Path(name)) for name in names] == ["a", "a", "a.b", "a", "a", "a.dcm", "tar"]


def test_files_are_there_while_the_context_lasts(nested: Path, temporary: Path) -> None:
    asked = [nested / "deep" / "2", nested.parent / "4", nested / "inner.zip" / "3", nested / "1"]
    with opened(asked) as places:
        assert [place.read_text() for place in places] == ["two", "four", "three", "one"]
        assert places[1] == asked[1]
        assert any(temporary.iterdir())
    assert not any(temporary.iterdir())


def test_errors_of_files_on_the_disk_pass_as_they_are(nested: Path) -> None:
    raised = HeaderError("pixels must be right, got bad ones", nested.parent / "4")
    with pytest.raises(HeaderError) as caught, opened([nested.parent / "4"]):
        raise raised
    assert caught.value is raised
    assert raised.__cause__ is None


def test_an_archive_and_its_folders_are_folders(nested: Path, temporary: Path) -> None:
    with opened([nested, nested / "deep", nested / "inner.zip"]) as (whole, deep, inner):
        assert sorted(place.name for place in whole.iterdir()) == ["1", "deep", "inner.zip"]
        assert (deep / "2").is_file()
        assert (inner / "3").is_file()


@pytest.mark.parametrize("name", ["5", "1/2", "deep/3", "inner.zip/4", "../4"])
def test_what_is_not_in_it_is_said(nested: Path, temporary: Path, name: str) -> None:
    with pytest.raises(UnreadableError), opened([nested / name]):
        pass
    assert not any(temporary.iterdir())


def test_errors_name_files_as_they_were_asked_for(nested: Path, temporary: Path) -> None:
    with pytest.raises(HeaderError) as caught, opened([nested / "inner.zip" / "3"]) as (place,):
        raise HeaderError("pixels must be right, got bad ones", place)
    assert str(caught.value) == f"pixels must be right, got bad ones [{nested / 'inner.zip' / '3'}]"
    assert caught.value.path == nested / "inner.zip" / "3"
    assert not any(temporary.iterdir())


def test_what_is_not_in_it_is_said_in_full(nested: Path, temporary: Path) -> None:
    for name in ("5", "deep/3", "inner.zip/4"):
        with pytest.raises(UnreadableError) as caught, opened([nested / "1", nested / name]):
            pass
        assert str(caught.value) == f"a file was expected in an archive, but there is none [{nested / name}]"
        assert caught.value.path == nested / name


def test_an_error_that_names_no_file_still_names_none(nested: Path, temporary: Path) -> None:
    with pytest.raises(HeaderError) as caught, opened([nested / "1"]) as (place,):
        raise HeaderError(f"of these files one is bad: {place}")
    assert (str(caught.value), caught.value.path) == (f"of these files one is bad: {nested / '1'}", None)
    assert isinstance(caught.value.__cause__, HeaderError)


def test_files_of_two_archives_keep_their_order(nested: Path, temporary: Path) -> None:
    other = nested.parent / "inner.zip"
    with opened([nested / "1", other / "3", nested / "deep" / "2"]) as places:
        assert [place.read_text() for place in places] == ["one", "three", "two"]
        assert not (places[0].parent / "inner.zip").exists()  # only what is asked for
        assert all(folder.name.startswith("cmr-") for folder in temporary.iterdir())
        assert len(list(temporary.iterdir())) == 2


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip"])
def test_an_ending_alone_is_a_name(ending: str) -> None:
    assert name_of_archive(Path(f"a.v2{ending}")) == "a.v2"
    assert name_of_archive(Path(f"A{ending.upper()}")) == "A"
    assert name_of_archive(Path(ending)) == ending
