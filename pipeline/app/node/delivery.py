"""Deliver what waits for one destination, and try again later what could not be delivered."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from pipeline.app.node.database import persist
from pipeline.app.node.journal import Journal
from pipeline.app.node.outbox import Outbox
from pipeline.app.node.queue import Queue
from pipeline.app.node.records import Made, Pending
from pipeline.app.node.sender import Connection, DicomArchive, NotReachedError, RefusedError, WebArchive
from pipeline.core.quiet import quiet_dicom

__all__ = ["Deliverer"]

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 300.0


class Deliverer:
    """Delivers to one destination.

    Args:
        name: of the destination.
        archive: there.
        outbox: what waits.
        queue: told of studies whose results are gone.
        results: folder of the results.
        journal: told what was sent.
    """

    def __init__(
        self,
        name: str,
        archive: DicomArchive | WebArchive,
        outbox: Outbox,
        queue: Queue,
        results: Path,
        journal: Journal,
    ) -> None:
        self.name, self._archive, self._outbox, self._queue = name, archive, outbox, queue
        self._results, self._journal = results, journal
        self._wait_s, self._may_ask = _FIRST_WAIT_S, archive.commits

    def run(self, ends: threading.Event, *, every_s: float = 0.5) -> None:
        """Deliver until the node ends."""
        while not ends.wait(every_s):
            waits = self._outbox.pending(self.name)
            if not waits and not self._to_commit():
                continue
            if self.deliver(waits, ends):
                self._wait_s = _FIRST_WAIT_S
            else:
                ends.wait(self._wait_s)
                self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def deliver(self, waits: Sequence[Pending], ends: threading.Event) -> bool:
        """Send what waits over one connection; says whether the destination could be reached and took all."""
        took_all = True
        try:
            with self._archive.connected() as connection:
                for one in waits:
                    if ends.is_set():
                        return took_all
                    took_all &= self._send(one, connection, ends)
                self._ask_commitment(connection)
        except NotReachedError as error:
            self._journal.tell("destination not reached", to=self.name, reason=str(error))
            return False
        return took_all

    def _send(self, one: Pending, connection: Connection, ends: threading.Event) -> bool:
        if not self._outbox.waits(self.name, one.uid):  # superseded since it was listed
            return True
        made = self._read(one)
        if made is None:
            self._queue.renew(one.study)
            self._journal.tell("result not as it was made", study=one.study)
            return True
        try:
            connection.store(made)
        except RefusedError as error:
            self._journal.sent(self.name, "refused", one.study)
            self._outbox.refused(self.name, one.uid, str(error))
            return False
        except NotReachedError:  # maybe because of this very object: next time others come first
            self._outbox.missed(self.name, one.uid)
            raise
        persist(partial(self._outbox.delivered, self.name, one.uid), ends, self._journal)  # or it would be sent again
        self._journal.sent(self.name, "sent", one.study)
        self._may_ask = self._archive.commits
        return True

    def _read(self, one: Pending) -> Dataset | None:
        """A result; `None` where it is gone, damaged, or another since, as after a reader's correction."""
        try:
            with quiet_dicom():
                made = pydicom.dcmread(self._results / one.file)
                return made if str(made.SOPInstanceUID) == one.uid else None
        except Exception:  # noqa: BLE001 a damaged file raises whatever pydicom meets in it
            return None

    def _to_commit(self) -> list[Made]:
        return self._outbox.uncommitted(self.name) if self._may_ask else []

    def _ask_commitment(self, connection: Connection) -> None:
        """Ask the archive to commit what it has stored; its answer may come later, by a call of its own."""
        objects = self._to_commit()
        if not objects:
            return
        transaction = str(generate_uid())
        self._outbox.ask_commitment(self.name, [one.uid for one in objects], transaction)
        is_taken = self._may_ask = connection.commit(objects, transaction)
        self._outbox.commitment_asked(transaction, is_taken=is_taken)
        if is_taken:
            self._journal.tell("commitment asked", to=self.name, objects=len(objects))
