"""Processes started anew must import this library, whatever lies on the import path under its name."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path

import pipeline

__all__ = ["library_first", "with_library_first"]


@contextmanager
def library_first() -> Iterator[None]:
    """Within, `sys.path` leads to this library and to no other `pipeline`: processes that are spawned inherit it.

    MONAI puts a bundle's folder on the import path, in which a user's pipeline.py may lie, or a package's own copy.
    """
    before = sys.path[:]
    sys.path[:] = with_library_first(before)
    try:
        yield
    finally:
        sys.path[:] = before


def with_library_first(path: Sequence[str]) -> list[str]:
    """An import path with this library's folder before all others that hold a `pipeline`, which come last.

    >>> with_library_first(["/no/such/folder"])
    ['/no/such/folder']
    """
    library = str(Path(pipeline.__file__).parents[1])
    others = [place for place in path if place != library and PathFinder.find_spec("pipeline", [place]) is not None]
    if not others:
        return list(path)
    return [place for place in path if place not in (*others, library)] + [library, *others]
