"""Folders that a running process holds. The system lets go of them when it ends, be it by a kill."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["holding"]


@contextmanager
def holding(folder: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold a folder against others who ask for it here, also on other machines where the disk can tell them.

    Args:
        folder: it exists. Nothing is written into it.
        shared: others who hold it so are no hindrance, nor is this to them.

    Yields:
        Whether it is held now: `False` where another process, or another part of this one, holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _take(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk that knows no locks, as some network disks: there is nobody to ask
        return True
    return True
