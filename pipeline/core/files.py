"""Files that are replaced whole: whoever reads one finds the old content or the new, never a part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["replacing", "write_json", "write_text"]


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
