"""Archives unpacked: nothing leaves the folder, nothing fills the disk."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib
import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read import unpack as unpacking
from pipeline.read.unpack import Allowance, is_archive, unpack

FILES = {"a/1": b"one", "a/b/2": b"two", "3": b"three"}
PLENTY = 1 << 20


def make_zip(path: Path, files: dict[str, bytes], **kwargs) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content, **kwargs)
    return path


def make_tar(
    path: Path, files: dict[str, bytes], *, mode: str = "w", members: tuple[tarfile.TarInfo, ...] = ()
) -> Path:
    with tarfile.open(path, mode) as file:
        for member in members:
            file.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def unpacked(archive: Path, *, n_bytes: int = PLENTY, n_members: int = 100, only=None) -> dict[str, bytes]:
    folder = archive.parent / f"{archive.name} unpacked"
    folder.mkdir(exist_ok=True)
    unpack(archive, folder, allowance=Allowance(n_bytes, n_members), only=only)
    found = [Path(root) / name for root, _, names in os.walk(folder) for name in names]
    assert not any(path.is_symlink() for path in found)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_is_told_by_content_and_unpacked(tmp_path: Path, mode: str) -> None:
    archive = make_tar(tmp_path / "no suffix", FILES, mode=mode)
    assert is_archive(archive)
    assert unpacked(archive) == FILES


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_is_told_by_content_and_unpacked(tmp_path: Path, compression: int) -> None:
    archive = make_zip(tmp_path / "a.dcm", FILES, compress_type=compression)
    assert is_archive(archive)
    assert unpacked(archive) == FILES


def test_what_is_no_archive(tmp_path: Path) -> None:
    for content in (
        b"",
        b"PK",
        b"\0" * 1024,
        b"x" * 1024,
        b"\x1f\x8b broken",
        b"BZh",
        b"\0" * 128 + b"DICM" + b"\0" * 500,
    ):
        (tmp_path / "a.zip").write_bytes(content)
        assert not is_archive(tmp_path / "a.zip")
    header = nib.Nifti1Header()  # made so that its signed bytes sum to 0, as an empty checksum says
    header["dim"] = 0
    block = bytearray(header.binaryblock.ljust(512, b"\0"))
    signed = 256 + sum(byte - 256 if byte > 127 else byte for byte in block)
    for place in range(400, 400 + signed // 128 + 1):
        block[place] = 256 - min(signed, 128)
        signed -= min(signed, 128)
    (tmp_path / "a.nii").write_bytes(block)
    tarfile.TarInfo.frombuf(bytes(block), "utf-8", "strict")  # believes it
    assert not is_archive(tmp_path / "a.nii")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "nowhere")


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    for archive in (make_zip(tmp_path / "a.zip", FILES), make_tar(tmp_path / "a.tar", FILES)):
        assert unpacked(archive, only=[Path("a/b")]) == {"a/b/2": b"two"}
    other = make_zip(tmp_path / "b.zip", {"in.zip": b"PK", "in": b"", "x/in.zip": b""})
    assert set(unpacked(other, only=[Path("in.zip/1/2")])) == {"in.zip"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/../evil", "..\\evil", ".."])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    for archive in (make_zip(tmp_path / "a.zip", {name: b"!"}), make_tar(tmp_path / "a.tar", {name: b"!"})):
        with pytest.raises(UnreadableError, match=rf"must lie within it.*\[.*{archive.name}\]"):
            unpacked(archive)
    assert not list(tmp_path.rglob("evil"))


def test_absolute_and_windows_paths_lie_within(tmp_path: Path) -> None:
    for archive in (make_zip(tmp_path / "a.zip", {"/b/c": b"1", "d\\e": b"2", "./f": b"3"}),):
        assert unpacked(archive) == {"b/c": b"1", "d/e": b"2", "f": b"3"}
    assert unpacked(make_tar(tmp_path / "a.tar", {f"{tmp_path}/g": b"4"})) == {f"{tmp_path}/g"[1:]: b"4"}


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    members = (
        _member("link", tarfile.SYMTYPE, "../secret"),
        _member("hard", tarfile.LNKTYPE, str(tmp_path / "secret")),
        _member("folder", tarfile.SYMTYPE, str(tmp_path)),
        _member("pipe", tarfile.FIFOTYPE),
        _member("device", tarfile.CHRTYPE),
    )
    # A member behind a link of its folder's name must not be written through it.
    assert unpacked(make_tar(tmp_path / "a.tar", {"folder/1": b"1"}, members=members)) == {"folder/1": b"1"}
    assert not (tmp_path / "1").exists()
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "../secret")
        file.writestr("1", "1")
    assert unpacked(tmp_path / "a.zip") == {"1": b"1"}


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"__MACOSX/._1": b"", ".git/2": b"", "1": b"1"})
    assert unpacked(archive) == {"1": b"1"}


def test_a_second_file_of_a_name_takes_the_place(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for content in (b"old", b"new!"):
            member = tarfile.TarInfo("1")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    assert unpacked(tmp_path / "a.tar") == {"1": b"new!"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_what_would_fill_the_disk_is_refused(tmp_path: Path, kind: str) -> None:
    files = {"1": bytes(3 << 20), "2": b""}
    archive = (
        make_zip(tmp_path / "a.zip", files) if kind == "zip" else make_tar(tmp_path / "a.tar.gz", files, mode="w:gz")
    )
    assert archive.stat().st_size < 5000
    with pytest.raises(UnreadableError, match="100 times its size, 32 GiB in all"):
        unpacked(archive, n_bytes=2 << 20)
    assert set(unpacked(archive, n_bytes=4 << 20)) == {"1", "2"}


def test_sizes_that_lie_do_not_help(tmp_path: Path) -> None:
    content = bytearray(make_zip(tmp_path / "a.zip", {"1": bytes(3 << 20)}).read_bytes())
    size = (3 << 20).to_bytes(4, "little")
    assert content.count(size) == 2  # the member's header and the directory
    (tmp_path / "a.zip").write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(UnreadableError):
        unpacked(tmp_path / "a.zip", n_bytes=2 << 20)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {str(n): b"" for n in range(11)}
    for archive in (make_zip(tmp_path / "a.zip", files), make_tar(tmp_path / "a.tar", files)):
        with pytest.raises(UnreadableError, match="more than 100000 files"):
            unpacked(archive, n_members=10)
        assert len(unpacked(archive, n_members=11)) == 11


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as file:
        member = tarfile.TarInfo("1")
        member.pax_headers = {"comment": "x" * (3 << 20)}
        file.addfile(member)
    with pytest.raises(UnreadableError, match="must not unpack"):
        unpacked(tmp_path / "a.tar.gz", n_bytes=8 << 20)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "a.zip", FILES)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2}))
    with pytest.raises(UnreadableError, match="fit onto the disk"):
        unpacked(archive)


def test_damaged_and_encrypted_archives_are_named(tmp_path: Path) -> None:
    noise = {"1": os.urandom(5000)}
    for archive in (
        make_zip(tmp_path / "a.zip", noise),
        make_tar(tmp_path / "b.tar", noise),
        make_tar(tmp_path / "c.tar.gz", noise, mode="w:gz"),
        make_tar(tmp_path / "d.tar.xz", noise, mode="w:xz"),
    ):
        whole = archive.read_bytes()
        archive.write_bytes(whole[:2000])
        if is_archive(archive):
            with pytest.raises(UnreadableError, match=rf"must be whole.*\[.*{archive.name}\]") as caught:
                unpacked(archive)
            assert "\n" not in str(caught.value)
        else:
            assert archive.name == "d.tar.xz"  # whose first block needs what is cut off
    secret = bytearray(make_zip(tmp_path / "e.zip", noise).read_bytes())
    for place in (secret.index(b"PK\3\4") + 6, secret.index(b"PK\1\2") + 8):
        secret[place] |= 1
    (tmp_path / "e.zip").write_bytes(secret)
    with pytest.raises(UnreadableError, match=r"no password, got one that is not: .*encrypted"):
        unpacked(tmp_path / "e.zip")


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="must be whole"):
        unpacked(make_zip(tmp_path / "a.zip", {"a": b"", "a/b": b""}))


def test_the_allowance_goes_by_the_archives_size(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for size, allowed in ((1000, 1 << 30), (1 << 27, 100 << 27), (1 << 30, 32 << 30)):
        with path.open("wb") as file:
            file.truncate(size)
        assert Allowance.for_archive(path).n_bytes == allowed


def refusal(archive: Path, **how) -> str:
    """What is said of an archive that is refused, without its name, which must be there."""
    with pytest.raises(UnreadableError) as caught:
        unpacked(archive, **how)
    assert caught.value.path == archive
    return str(caught.value).removesuffix(f" [{archive}]")


TOO_LARGE = "an archive must not unpack to more than 100 times its size, 32 GiB in all; unpack it yourself"


def test_refusals_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for archive in (make_zip(tmp_path / "a.zip", {"../a": b""}), make_tar(tmp_path / "a.tar", {"../a": b""})):
        assert refusal(archive) == "files of an archive must lie within it, got '../a'"
    three = make_zip(tmp_path / "b.zip", FILES)
    told = "an archive must not have more than 100000 files; unpack it yourself"
    assert refusal(three, n_members=2) == told
    assert refusal(three, n_bytes=10) == TOO_LARGE
    (tmp_path / "c.zip").write_bytes(three.read_bytes()[:-40])
    told = "an archive must be whole, with no password, got one that is not: File is not a zip file"
    assert refusal(tmp_path / "c.zip") == told
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 4}))
    assert refusal(three) == "an archive must fit onto the disk when unpacked, this one does not"  # "three" has 5


def test_the_last_byte_and_file_allowed_are_unpacked_and_counted(tmp_path: Path) -> None:
    for archive in (make_zip(tmp_path / "a.zip", FILES), make_tar(tmp_path / "a.tar", FILES)):
        allowance = Allowance(11, 3)
        (tmp_path / archive.suffix).mkdir()
        unpack(archive, tmp_path / archive.suffix, allowance=allowance)
        assert allowance == Allowance(0, 0)


def test_folders_count_as_files_and_are_none(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a/": b"", "a/1": b"1"})
    assert unpacked(archive, n_members=2) == {"a/1": b"1"}
    assert "more than 100000 files" in refusal(archive, n_members=1)


def test_what_is_not_wanted_takes_none_of_the_allowance(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"1": bytes(100), "2": b"two", ".3": bytes(100)})
    assert unpacked(archive, n_bytes=3, only=[Path("2")]) == {"2": b"two"}


def test_a_disk_that_a_file_just_fills_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5}))
    assert unpacked(make_zip(tmp_path / "a.zip", FILES)) == FILES


@pytest.mark.parametrize("n_bytes", [0, 100])
def test_a_stream_is_measured_where_it_is_read_and_where_it_is_sought(tmp_path: Path, n_bytes: int) -> None:
    """Up to what may be unpacked, and four blocks of 512 bytes for the headers of each file."""
    end = n_bytes + 3 * 2048
    archive = tmp_path / "a.tar"
    stream = unpacking._Measured(io.BytesIO(bytes(end + 10)), Allowance(n_bytes, 3), archive)
    assert stream.seek(end) == stream.tell() == end
    assert stream.read(4) == bytes(4)
    assert stream.seek(-2, io.SEEK_CUR) == end + 2  # only where it is sought by its place
    for too_far in (lambda: stream.read(1), lambda: stream.seek(end + 1)):
        with pytest.raises(UnreadableError) as caught:
            too_far()
        assert str(caught.value) == f"{TOO_LARGE} [{archive}]"
    stream.seek(0)
    assert len(stream.read(1 << 20)) == end + 10
    stream.seek(0)
    with pytest.raises(UnreadableError, match="must not unpack"):
        stream.read((1 << 20) + 1)


def test_an_empty_zip_is_an_archive_with_nothing_in_it(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a", {})
    assert is_archive(str(archive))
    assert unpacked(archive) == {}


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"PK\x05\x06", b"PK\x01\x02", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00"])
def test_a_start_alone_is_believed_of_a_zip_only(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a").write_bytes(start + bytes(600))
    assert is_archive(tmp_path / "a") is start.startswith((b"PK\x03", b"PK\x05"))


@pytest.mark.parametrize("only", ["a", "a/b", "a/b/2", "3", "a/b/2/deeper", "4"])
def test_files_of_a_folder_that_is_asked_for(tmp_path: Path, only: str) -> None:
    """And the file itself that something is asked for in, for it may be an archive."""
    wanted = {
        "a": {"a/1", "a/b/2"},
        "a/b": {"a/b/2"},
        "a/b/2": {"a/b/2"},
        "3": {"3"},
        "a/b/2/deeper": {"a/b/2"},
        "4": set(),
    }
    assert set(unpacked(make_zip(tmp_path / "a.zip", FILES), only=[Path(only)])) == wanted[only]
