"""Deliver what waits for one destination, and try again later what could not be delivered."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pydicom
from pydicom.uid import generate_uid

from pipeline.app.node.journal import Journal
from pipeline.app.node.outbox import Outbox
from pipeline.app.node.queue import Queue
from pipeline.app.node.records import Pending
from pipeline.app.node.sender import Connection, DicomArchive, NotReachedError, RefusedError, WebArchive
from pipeline.core.quiet import quiet_dicom

__all__ = ["Deliverer"]

_MOST_REFUSALS = 5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 300.0


class Deliverer:
    """Delivers to one destination.

    Args:
        name: of the destination.
        archive: there.
        outbox: what waits.
        queue: told of studies that cannot be sent.
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
        self._wait_s = _FIRST_WAIT_S

    def run(self, ends: threading.Event, *, every_s: float = 0.5) -> None:
        """Deliver until the node ends."""
        while not ends.wait(every_s):
            waits = self._outbox.pending(self.name)
            if waits and not self.deliver(waits):
                ends.wait(self._wait_s)
                self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            elif waits:
                self._wait_s = _FIRST_WAIT_S

    def deliver(self, waits: list[Pending]) -> bool:
        """Send what waits over one connection; says whether the destination could be reached and took all."""
        try:
            with self._archive.connected() as connection:
                taken = [self._send(one, connection) for one in waits]
                self._ask_commitment(connection)
        except NotReachedError as error:
            self._journal.tell("destination not reached", to=self.name, reason=str(error))
            return False
        return all(taken)

    def _send(self, one: Pending, connection: Connection) -> bool:
        try:
            with quiet_dicom():
                made = pydicom.dcmread(self._results / one.file)
                if str(made.SOPInstanceUID) != one.uid:  # the study was segmented anew meanwhile
                    return True
                connection.store(made)
        except FileNotFoundError:
            self._queue.give_up(one.study, "a result is no longer on the disk; `--again` makes it anew")
            return True
        except RefusedError as error:
            self._journal.sent(self.name, "refused", one.study)
            if self._outbox.refused(self.name, one.uid) >= _MOST_REFUSALS:
                self._queue.give_up(one.study, f"{self.name} does not take {Path(one.file).name}: {error}")
            return False
        self._outbox.delivered(self.name, one.uid)
        self._journal.sent(self.name, "sent", one.study)
        return True

    def _ask_commitment(self, connection: Connection) -> None:
        """Ask the archive to commit what it has stored; its answer may come later, by a call of its own."""
        objects = self._outbox.uncommitted(self.name)
        if not objects:
            return
        transaction = str(generate_uid())
        self._outbox.ask_commitment(self.name, [one.uid for one in objects], transaction)
        if connection.commit(objects, transaction):
            self._journal.tell("commitment asked", to=self.name, objects=len(objects), time_s=round(time.monotonic()))
