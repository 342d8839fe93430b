"""Files in archives, found and opened like those on the disk.

A file in an archive is named by the archive's path and its own within, as `study.zip/DICOM/IM1`: so it is told to the
user and kept in results, and so it can be asked for again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.core.errors import InputError, UnreadableError
from pipeline.read.unpack import Allowance, is_archive, unpack

__all__ = ["archive_of", "name_of_archive", "opened"]

_ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip")


def archive_of(path: Path) -> Path | None:
    """The archive that a path is, or names a file or folder in; `None` for all else, be it there or not."""
    above = next((place for place in (path, *path.parents) if place.exists()), None)
    return above if above is not None and is_archive(above) else None


def name_of_archive(path: Path) -> str:
    """An archive's name without what says its format.

    >>> name_of_archive(Path("study.v2.tar.gz"))
    'study.v2'
    """
    endings = (ending for ending in _ENDINGS if path.name.lower().endswith(ending))
    return path.name[: len(path.name) - len(next(endings, ""))] or path.name


@contextmanager
def opened(paths: Iterable[Path]) -> Iterator[tuple[Path, ...]]:
    """Paths at which files can be read while the context lasts: what is in archives is unpacked, the rest is as it is.

    Errors that leave the context name files as they were asked for. An archive itself becomes a folder.

    Raises:
        UnreadableError: what `unpack` refuses, or no such file in an archive.
    """
    paths = list(paths)
    archives = {path: archive for path in paths if (archive := archive_of(path)) is not None}
    real = {path: path for path in paths if path not in archives}
    folders: dict[Path, Path] = {}
    try:
        with ExitStack() as stack:
            for archive in dict.fromkeys(archives.values()):
                within = [path.relative_to(archive) for path in paths if archives.get(path) == archive]
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmr-")))
                folders[folder] = archive
                unpack(archive, folder, allowance=Allowance.for_archive(archive), only=within)
                places = stack.enter_context(opened(_there(folder, within)))
                real |= {archive / path: place for path, place in zip(within, places, strict=True)}
            yield tuple(real[path] for path in paths)
    except InputError as error:
        if not folders:
            raise
        raise _name_as_asked(error, folders) from error


def _there(folder: Path, within: Iterable[Path]) -> list[Path]:
    places = [folder / path for path in within]
    for place in places:
        if not place.exists() and archive_of(place) is None:
            raise UnreadableError("a file was expected in an archive, but there is none", place)
    return places


def _name_as_asked(error: InputError, folders: Mapping[Path, Path]) -> InputError:
    """The same error, of files by their names in their archives rather than where they were unpacked."""
    message, path = str(error), str(error.path)
    for folder, archive in folders.items():
        message, path = (text.replace(str(folder), str(archive)) for text in (message, path))
    named = type(error)(message)
    named.path = None if error.path is None else Path(path)
    return named
