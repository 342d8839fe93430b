"""All cases of a folder of results, and those that readers have open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pipeline.app.history import utc_now
from pipeline.app.results import MEASUREMENTS
from pipeline.app.review.draft import set_aside
from pipeline.app.review.errors import RefusedError
from pipeline.app.review.leases import Lease, Leases
from pipeline.app.review.listing import list_case
from pipeline.app.review.session import CaseSession, Verdict
from pipeline.app.worklist import update_worklist
from pipeline.core.errors import PipelineError
from pipeline.core.measurements import DISCLAIMER
from pipeline.write.pages.worklist import worst_first

__all__ = ["Desk"]

_KEPT = 3
"""Cases in memory. One of 12 slices and 20 phases of 256 x 256 pixels takes about 100 MB."""

T = TypeVar("T")


class Desk:
    """The cases below a folder, each open at most once. Safe to use from several threads.

    Args:
        out: folder of the cases' folders.
        images: where the images lie now, `None`: where they lay when the cases were segmented.
    """

    def __init__(self, out: Path, images: Path | None = None) -> None:
        self.out, self.images, self.leases = out, images, Leases()
        self._open: OrderedDict[str, CaseSession] = OrderedDict()
        self._locks: dict[str, threading.RLock] = {}
        self._lock, self._writing = threading.Lock(), threading.Lock()

    def folder(self, case: str) -> Path:
        """The folder of a case.

        Raises:
            RefusedError: there is no case of this name; names are compared, and no path is made of what was asked for.
        """
        found = next((folder for folder in self._folders() if folder.name == case), None)
        if found is None:
            raise RefusedError(404, "no such case in this folder of results")
        return found

    def worklist(self) -> dict[str, Any]:
        """The cases, those that need a look first."""
        found = [one for folder in self._folders() if (one := list_case(folder)) is not None]
        rows = {study.case: row for study, row in found}
        order = [study.case for study in worst_first(study for study, _ in found)]
        cases = [{**rows[name], "holder": self._holder(name)} for name in order]
        return {"cases": cases, "disclaimer": DISCLAIMER}

    @contextmanager
    def opened(self, case: str) -> Iterator[CaseSession]:
        """A case, for one at a time.

        Raises:
            RefusedError: there is none of this name.
            PipelineError: it cannot be opened.
        """
        folder = self.folder(case)
        with self._lock:
            lock = self._locks.setdefault(case, threading.RLock())
        with lock:
            session = self._open.get(case)
            if session is None:
                session = CaseSession(folder, self.images)
            self._keep(case, session)
            yield session

    def change(
        self, case: str, session: str, revision: int, act: Callable[[CaseSession], dict[str, Any]]
    ) -> dict[str, Any]:
        """Change a case for the reader who holds it.

        Args:
            case: its name.
            session: of the reader's page.
            revision: of the state that the page has.
            act: makes the change.

        Raises:
            RefusedError: somebody else holds the case, or the page's state is not the newest.
        """
        with self.opened(case) as opened:
            self.require_holder(case, session)
            if revision != opened.revision:
                raise RefusedError(
                    409, "this is not the newest state of the case; open it anew", revision=opened.revision
                )
            return act(opened)

    def save(self, case: str, session: str, revision: int, verdict: Verdict, reader: str) -> dict[str, Any]:
        """Save a case, and list it anew; see `CaseSession.save`."""
        state = self.change(case, session, revision, lambda opened: opened.save(verdict, reader=reader))
        with self._writing:
            update_worklist(self.out)
        return state

    def discard(self, case: str, session: str, reader: str) -> dict[str, Any]:
        """Drop a case's draft; one that cannot be read is set aside."""
        folder = self.folder(case)
        self.require_holder(case, session)
        try:
            with self.opened(case) as opened:
                return opened.discard(reader=reader)
        except RefusedError:
            raise
        except PipelineError:
            set_aside(folder, utc_now())
        with self.opened(case) as opened:
            return opened.state()

    def require_holder(self, case: str, session: str) -> Lease:
        """The hold of a page on a case.

        Raises:
            RefusedError: another page has it, or nobody.
        """
        there = self.leases.holder(case)
        if there is None:
            raise RefusedError(423, "open the case first; it was left, or nothing was heard of the page", holder=None)
        if there.session != session:
            raise RefusedError(423, f"{there.reader} has this case open", holder=there.reader)
        return there

    def _folders(self) -> list[Path]:
        return [
            path.parent for path in sorted(self.out.glob(f"*/{MEASUREMENTS}")) if not path.parent.name.startswith(".")
        ]

    def _holder(self, case: str) -> str | None:
        there = self.leases.holder(case)
        return None if there is None else there.reader

    def _keep(self, case: str, session: CaseSession) -> None:
        """Keep the cases used last, and all that somebody holds: their draft is on the disk in any case."""
        with self._lock:
            self._open[case] = session
            self._open.move_to_end(case)
            idle = [name for name in self._open if name != case and self.leases.holder(name) is None]
            for name in idle[: max(0, len(self._open) - _KEPT)]:
                del self._open[name]
