"""Files that are replaced whole: whoever reads one finds the old content or the new, never a part."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError

__all__ = ["bring", "replacing", "require_writable", "write_json", "write_text"]


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

    A kill leaves the file as it was, and so does an error, as of a full disk, which also leaves nothing half written
    behind. Folders above are made.

    Args:
        path: the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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
