"""Files that are replaced whole: whoever reads one finds the old content or the new, never a part.

That holds for a loss of power, too: content is on the disk before it takes a name, and the name before what follows.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError
from pipeline.core.locks import holding

__all__ = ["bring", "flush", "flush_names", "move_whole", "replacing", "require_writable", "write_json", "write_text"]


def require_writable(folder: Path) -> None:
    """Refuse an output folder that cannot be made or written to, before anything is computed for it.

    Raises:
        ConfigError: it, or what is there above it, is a file, or is not ours to write to.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ConfigError(f"results need a folder, got the file {there}; choose another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"results need a folder that can be written to, {there} cannot; choose another")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside a file to write its new content to; it takes the file's name when all is written.

    A kill or a loss of power leaves the file as it was, and so does an error, as of a full disk, which also leaves
    nothing half written behind. Folders above are made.

    Args:
        path: the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(path)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")  # its own, for others may be writing, too
    try:
        partial.touch()
        with holding(partial):
            yield partial
            move_whole(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _clear_abandoned(path: Path) -> None:
    """Remove what processes that were killed have left of a file's new content."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        with suppress(OSError), holding(partial) as abandoned:  # or gone, where another process was faster
            if abandoned:
                partial.unlink()


def move_whole(written: Path, path: Path) -> None:
    """Give a file that is written another name on the same disk, in place of what has it; both are on the disk then."""
    flush(written)
    written.replace(path)
    flush_names(path.parent)


def flush(path: Path) -> None:
    """Wait until a file's content, or all that is in a folder, is on the disk.

    Raises:
        OSError: it is not, as on a network's disk that turns out to be full only now.
    """
    if path.is_symlink():
        return
    if path.is_dir():
        for inner in path.iterdir():
            flush(inner)
        flush_names(path)
    elif path.is_file():
        _sync(path)


def flush_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can; Windows and some networks cannot."""
    with suppress(OSError):
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, *, indent: int = 2) -> None:
    """Write a JSON file whole; content that JSON cannot hold leaves the file as it was."""
    write_text(path, json.dumps(content, indent=indent) + "\n")


def bring(path: Path, place: Path) -> None:
    """Copy a file or folder to a place on the same disk, as hard links if the disk supports them."""
    try:
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True, copy_function=os.link)
        else:
            os.link(path, place, follow_symlinks=False)
    except (OSError, shutil.Error):
        shutil.rmtree(place, ignore_errors=True)
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True)
        else:
            shutil.copy2(path, place, follow_symlinks=False)
