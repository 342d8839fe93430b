"""Who holds a case: one reader draws in it, a second one is told and only looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["LEASE_S", "Lease", "Leases"]

LEASE_S = 60.0
"""How long a case is held after the page was heard of last. The page renews every 20 s."""


@dataclass(frozen=True)
class Lease:
    """A reader's hold on a case.

    Attributes:
        reader: their name.
        session: of the page that was opened, secret.
        until: when it ends, on the clock of `Leases`.
    """

    reader: str
    session: str
    until: float


class Leases:
    """The holds of all cases.

    Args:
        clock: seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._held = clock, dict[str, Lease]()
        self._lock = threading.Lock()

    def take(self, case: str, reader: str, *, session: str, take_over: bool = False) -> Lease:
        """Take a case, renew a hold on it, or see who has it.

        Args:
            case: its name.
            reader: who asks.
            session: of the page.
            take_over: take it from another page of the same reader.

        Returns:
            The hold as it is now: the asker's own if its session is theirs.
        """
        with self._lock:
            there = self._current(case)
            own = there is None or there.session == session or (take_over and there.reader == reader)
            if there is not None and not own:
                return there
            self._held[case] = Lease(reader, session, self._clock() + LEASE_S)
            return self._held[case]

    def leave(self, case: str, session: str) -> None:
        """Give a case back, if the session holds it."""
        with self._lock:
            there = self._current(case)
            if there is not None and there.session == session:
                del self._held[case]

    def holder(self, case: str) -> Lease | None:
        """Who holds a case now."""
        with self._lock:
            return self._current(case)

    def _current(self, case: str) -> Lease | None:
        there = self._held.get(case)
        return there if there is not None and there.until > self._clock() else None
