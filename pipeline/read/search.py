"""Which files lie below a folder: each real one once, by whatever links it is reached."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.errors import UnreadableError

__all__ = ["files_under"]

_LOGGER = logging.getLogger(__name__)


def files_under(path: Path) -> tuple[Path, ...]:
    """The file itself, or all files below a folder, sorted.

    Symbolic links are followed, to files and to folders, also out of the folder. Each real file counts once, under the
    path that has no link in it where there is one: links in a circle end, and a linked file is no second image. Hidden
    files and folders, whose names begin with a dot, are left out, macOS' `._` files among them; so is a DICOMDIR, which
    is an index of what is found anyway.

    Raises:
        UnreadableError: the path does not exist.
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise UnreadableError("a file or folder must exist to be read, got none", path)
    paths: dict[Path, Path] = {}
    for file, real in _walk(path):
        paths.setdefault(real, file)
    return tuple(sorted(paths.values()))


def _walk(root: Path) -> Iterator[tuple[Path, Path]]:
    """Files below a folder and their real paths: those reached without a link first, then what links lead to."""
    seen: set[Path] = set()
    folders = [root]
    links: list[Path] = []
    while folders or links:
        if not folders:
            link = links.pop(0)
            if link.is_file():
                yield link, link.resolve()
            elif link.is_dir():
                folders.append(link)
            continue
        folder = folders.pop()
        real = folder.resolve()
        if real in seen:
            continue
        seen.add(real)
        for entry in _entries(folder):
            if entry.is_symlink():
                links.append(entry)
            elif entry.is_dir():
                folders.append(entry)
            elif entry.is_file():
                yield entry, real / entry.name


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith(".") and not _is_index(entry))
    except OSError as error:
        _LOGGER.warning("passed over %s: it cannot be looked into (%s)", folder, error.strerror)
        return []


def _is_index(path: Path) -> bool:
    return path.name.upper() == "DICOMDIR"
