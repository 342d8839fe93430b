"""Temporary folders beside results, which the next run clears away if theirs was killed.

A folder is whole or old at any moment: its new content is made in a temporary folder on the same disk, and put in its
place at once. A kill leaves at most the temporary folder behind. Its maker holds it (`core.locks`), so it is told from
those that are in use, whoever and wherever their makers are.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.files import flush, flush_names
from pipeline.core.locks import holding

__all__ = ["CLAIM", "WRITING", "clear_abandoned", "replace_folder", "scratch"]

WRITING, CLAIM = ".writing-", ".claim-"
"""Beginnings of the names: a case's new files; a case's folder before it is bound to its study."""
_OLD = ".old"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # as Linux's fcntl.h and fs.h name them


@contextmanager
def scratch(parent: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder, held while the context lasts and then removed.

    Args:
        parent: the folder to make it in; it exists.
        prefix: beginning of its name.
    """
    with tempfile.TemporaryDirectory(dir=parent, prefix=prefix) as name, holding(Path(name)):
        yield Path(name)


def replace_folder(folder: Path, new: Path) -> None:
    """Put a new folder in a folder's place, at once where the system can exchange two names, and remove the old one.

    Elsewhere the old one is moved aside first; should the process be killed just then, `clear_abandoned` finishes it.
    All that is in the new one is on the disk before.

    Args:
        folder: to be replaced; it exists.
        new: lies in a folder of `scratch`, under the same name as `folder`, and is complete.
    """
    flush(new)
    if not _exchange(new, folder):
        folder.rename(new.with_name(_OLD))
        new.rename(folder)
    flush_names(folder.parent)


def clear_abandoned(parent: Path, *prefixes: str) -> None:
    """Remove the temporary folders of processes that were killed; those that somebody still holds are left alone.

    Args:
        parent: folder that they lie in.
        prefixes: beginnings of their names.
    """
    for folder in [path for path in parent.iterdir() if path.name.startswith(prefixes) and path.is_dir()]:
        with holding(folder) as abandoned:
            if abandoned:
                _finish_replacing(folder)
                shutil.rmtree(folder, ignore_errors=True)


def _finish_replacing(folder: Path) -> None:
    """Put a complete new folder in its place, if the old one was moved aside but the new one did not follow."""
    if not (folder / _OLD).is_dir():
        return
    for new in [path for path in folder.iterdir() if path.name != _OLD]:
        if not os.path.lexists(folder.parent / new.name):
            new.rename(folder.parent / new.name)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names on one disk in one step; `False` where the system or the disk cannot."""
    if sys.platform != "linux":
        return False
    try:
        exchange = ctypes.CDLL(None).renameat2
    except AttributeError:  # an old C library
        return False
    return exchange(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0
