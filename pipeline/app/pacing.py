"""Work that is worth its time only now and then, as bringing a list of all cases up to date while it grows."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Seldom"]

_SHARE = 0.05
"""Of a run's time that may go into it."""


class Seldom:
    """Does something, unless it was done a short while ago: the longer it takes, the seldomer it is done.

    Args:
        act: what is done.

    >>> done = []
    >>> list_all = Seldom(lambda: (time.sleep(0.01), done.append(1)))
    >>> list_all(), list_all(), done  # the second time it is too early: not before 0.2 s
    (None, None, [1])
    """

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._due = 0.0

    def __call__(self) -> None:
        """Do it if that is worth its time by now."""
        start = time.monotonic()
        if start >= self._due:
            self._act()
            end = time.monotonic()
            self._due = end + (end - start) / _SHARE
