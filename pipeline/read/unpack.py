"""Zip and tar archives, unpacked so that nothing in them can do harm."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from pipeline.core.errors import UnreadableError

__all__ = ["Allowance", "is_archive", "unpack"]

MAX_MEMBERS = 100_000
"""Files in an archive: some hundred times a cardiac study's."""

MAX_BYTES = 32 << 30
"""Unpacked size that is never passed."""

MAX_RATIO, FREE_BYTES = 100, 1 << 30
"""Unpacked size over the archive's own, and the size up to which that is not asked: images shrink to a half or a tenth,
empty ones to some hundredths, what is made to fill a disk to a thousandth and less."""

Content = Callable[[], IO[bytes]]

_CHUNK = 1 << 20
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)


@dataclass
class Allowance:
    """What may still be unpacked of one archive and of those within it.

    Attributes:
        n_bytes: size of the files.
        n_members: number of files and folders.
    """

    n_bytes: int
    n_members: int = MAX_MEMBERS

    @classmethod
    def for_archive(cls, path: Path) -> Allowance:
        """The allowance of an archive that lies on the disk, by its size."""
        return cls(min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * path.stat().st_size)))


def is_archive(path: str | Path) -> bool:
    """Whether a file is a zip or tar archive, plain or compressed (gzip, bzip2, xz), by what it holds."""
    path = Path(path)
    try:
        return path.is_file() and (_is_zip(path) or _is_tar(path))
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def unpack(archive: Path, folder: Path, *, allowance: Allowance, only: Iterable[Path] | None = None) -> None:
    """Unpack an archive's files into a folder; none is written elsewhere.

    Links, devices and hidden files are left out. A second file of the same name takes the first one's place.

    Args:
        archive: a zip or tar archive.
        folder: an empty one.
        allowance: what may be unpacked; what is, is taken from it.
        only: paths within the archive of the files and folders wanted; `None` unpacks all.

    Raises:
        UnreadableError: damaged, encrypted, too large, or with a path that leaves the folder.
    """
    wanted = None if only is None else {PurePosixPath(*path.parts) for path in only}
    try:
        for name, content in _members(archive, allowance):
            inside = _inside(name, archive)
            place = folder / inside
            if not place.is_relative_to(folder):  # a drive's letter
                raise _outside(name, archive)
            if any(part.startswith(".") for part in inside.parts) or not _is_wanted(inside, wanted):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with content() as source, place.open("wb") as target:
                _copy(source, target, allowance, archive)
    except _DAMAGE as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableError(
            f"an archive must be whole, with no password, got one that is not: {told}", archive
        ) from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4)
    return start in (b"PK\x03\x04", b"PK\x05\x06")


def _is_tar(path: Path) -> bool:
    """By the mark that tar has had since 1988; the checksum before it alone fits many a NIfTI header by chance."""
    with _uncompressed(path) as file:
        return file.read(tarfile.BLOCKSIZE)[257:262] == b"ustar"


def _uncompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(6)
    openers = (opener for magic, opener in _OPENERS.items() if start.startswith(magic))
    return cast(IO[bytes], next(openers, open)(path, "rb"))


def _members(archive: Path, allowance: Allowance) -> Iterator[tuple[str, Content]]:
    """Name of each plain file, and what opens it; to be read before the next is asked for."""
    for name, content in _zip_members(archive) if _is_zip(archive) else _tar_members(archive, allowance):
        allowance.n_members -= 1
        if allowance.n_members < 0:
            raise UnreadableError(
                f"an archive must not have more than {MAX_MEMBERS} files; unpack it yourself", archive
            )
        if content is not None:
            yield name, content


def _zip_members(archive: Path) -> Iterator[tuple[str, Content | None]]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            mode = member.external_attr >> 16
            is_plain = not member.is_dir() and (stat.S_IFMT(mode) in (0, stat.S_IFREG))
            yield member.filename, partial(file.open, member) if is_plain else None


def _tar_members(archive: Path, allowance: Allowance) -> Iterator[tuple[str, Content | None]]:
    with _uncompressed(archive) as stream:
        measured = cast(IO[bytes], _Measured(stream, allowance, archive))
        with tarfile.open(fileobj=measured, mode="r:") as file:
            for member in file:
                yield member.name, partial(_opened_member, file, member) if member.isreg() else None


def _opened_member(file: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast(IO[bytes], file.extractfile(member))


class _Measured:
    """A tar archive's stream, uncompressed: tarfile holds headers in memory, so no piece may be large, nor all."""

    def __init__(self, stream: IO[bytes], allowance: Allowance, archive: Path) -> None:
        self.stream, self.archive = stream, archive
        self.end = allowance.n_bytes + allowance.n_members * 4 * tarfile.BLOCKSIZE

    def read(self, size: int) -> bytes:
        if size > _CHUNK or self.stream.tell() > self.end:
            raise _too_large(self.archive)
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset > self.end:
            raise _too_large(self.archive)
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()


def _inside(name: str, archive: Path) -> PurePosixPath:
    """A member's path below the folder; as tar and unzip do, what makes it absolute is taken away.

    Raises:
        UnreadableError: it leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/").lstrip("/"))
    if ".." in path.parts or not path.parts:
        raise _outside(name, archive)
    return path


def _outside(name: str, archive: Path) -> UnreadableError:
    return UnreadableError(f"files of an archive must lie within it, got {name!r}", archive)


def _is_wanted(path: PurePosixPath, wanted: set[PurePosixPath] | None) -> bool:
    """Whether a file is asked for, lies in a folder that is, or is an archive that holds something that is."""
    if wanted is None or not wanted.isdisjoint((path, *path.parents)):
        return True
    return any(path in one.parents for one in wanted)


def _copy(source: IO[bytes], target: IO[bytes], allowance: Allowance, archive: Path) -> None:
    while chunk := source.read(_CHUNK):
        allowance.n_bytes -= len(chunk)
        if allowance.n_bytes < 0:
            raise _too_large(archive)
        if len(chunk) > shutil.disk_usage(target.name).free:
            raise UnreadableError("an archive must fit onto the disk when unpacked, this one does not", archive)
        target.write(chunk)


def _too_large(archive: Path) -> UnreadableError:
    limits = f"{MAX_RATIO} times its size, {MAX_BYTES >> 30} GiB in all"
    return UnreadableError(f"an archive must not unpack to more than {limits}; unpack it yourself", archive)
