"""Which files are found below a folder: links, loops, hidden files."""

import os

import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.search import files_under


def make(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_files_are_sorted_and_hidden_ones_left_out(tmp_path):
    root = tmp_path / ".study"  # hidden itself, but asked for
    make(root / "b" / "1", root / "a" / "2", root / "._a", root / ".git" / "3", root / "a" / ".DS_Store")
    assert files_under(root) == (root / "a" / "2", root / "b" / "1")
    assert files_under(root / "._a") == (root / "._a",)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(UnreadableError, match="must exist"):
        files_under(tmp_path / "nowhere")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert files_under(tmp_path) == ()
    with pytest.raises(UnreadableError, match="must exist"):
        files_under(tmp_path / "broken")


def test_links_are_followed_out_of_the_folder(tmp_path):
    root = tmp_path / "root"
    make(root / "1", tmp_path / "store" / "2", tmp_path / "other" / "deep" / "3")
    (root / "to_file").symlink_to("../store/2")
    (root / "to_folder").symlink_to("../other")
    assert files_under(root) == (root / "1", root / "to_file", root / "to_folder" / "deep" / "3")


def test_a_linked_file_or_folder_below_is_no_second_one(tmp_path):
    make(tmp_path / "z" / "1")
    (tmp_path / "a").symlink_to("z")
    (tmp_path / "b").symlink_to("z/1")
    (tmp_path / "c").symlink_to("a")
    assert files_under(tmp_path) == (tmp_path / "z" / "1",)


def test_links_in_a_circle_end(tmp_path):
    make(tmp_path / "a" / "1", tmp_path / "b" / "2")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    assert files_under(tmp_path / "a") == (tmp_path / "a" / "1", tmp_path / "a" / "b" / "2")
    assert files_under(tmp_path) == (tmp_path / "a" / "1", tmp_path / "b" / "2")


def test_hard_links_are_files_of_their_own(tmp_path):
    make(tmp_path / "1")
    os.link(tmp_path / "1", tmp_path / "2")
    assert files_under(tmp_path) == (tmp_path / "1", tmp_path / "2")


def test_what_is_no_file_is_passed_over(tmp_path):
    make(tmp_path / "1")
    os.mkfifo(tmp_path / "pipe")
    assert files_under(tmp_path) == (tmp_path / "1",)


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is open to root")
def test_a_closed_folder_is_told_and_the_rest_is_read(tmp_path, caplog):
    make(tmp_path / "1", tmp_path / "closed" / "2")
    (tmp_path / "closed").chmod(0)
    assert files_under(tmp_path) == (tmp_path / "1",)
    assert "closed" in caplog.text
    (tmp_path / "closed").chmod(0o700)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableError) as caught:
        files_under(tmp_path / "nowhere")
    assert str(caught.value) == f"a file or folder must exist to be read, got none [{tmp_path / 'nowhere'}]"


def test_an_index_of_dicom_files_is_left_out_whatever_its_capitals(tmp_path):
    make(tmp_path / "DICOMDIR", tmp_path / "a" / "dicomdir", tmp_path / "a" / "DICOMDIR.bak", tmp_path / "1")
    assert files_under(tmp_path) == (tmp_path / "1", tmp_path / "a" / "DICOMDIR.bak")
    assert files_under(tmp_path / "DICOMDIR") == (tmp_path / "DICOMDIR",)
