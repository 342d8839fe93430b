"""Results that wait to be sent, and what became of them. Nothing is sent twice, as far as that can be known.

A kill just between a destination's answer and its being written down lets an object be sent once more, under the same
UID, by which the destination knows it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pipeline.app.node.database import Database
from pipeline.app.node.queue import end_run
from pipeline.app.node.records import Job, Made, Pending

__all__ = ["Outbox"]


class Outbox:
    """The results of one node. Its methods may be called by any thread.

    Args:
        base: the data base.
    """

    def __init__(self, base: Database) -> None:
        self._base = base

    def put(self, job: Job, made: Sequence[Made], destinations: Sequence[str]) -> None:
        """A study has results, which wait to be sent; what an earlier round has not sent yet is superseded.

        An object that a destination has already, by its UID, is not sent again.
        """
        with self._base.change() as base:
            base.execute("DELETE FROM delivery WHERE study = ? AND state = 'pending'", (job.study,))
            base.executemany(
                "INSERT OR IGNORE INTO delivery (study, destination, uid, class_uid, file) VALUES (?, ?, ?, ?, ?)",
                [(job.study, place, one.uid, one.class_uid, one.file) for place in destinations for one in made],
            )
            end_run(base, job, "segmented", "")
            _close_if_sent(base, job.study)

    def states(self, destination: str) -> dict[str, str]:
        """What became of each object for a destination, by SOPInstanceUID: pending, sent or committed."""
        return dict(self._base.ask("SELECT uid, state FROM delivery WHERE destination = ?", (destination,)))

    def folders(self, study: str) -> set[str]:
        """Folders of a study's results, within those of all."""
        rows = self._base.ask("SELECT file FROM delivery WHERE study = ?", (study,))
        return {str(row[0]).split("/")[0] for row in rows}

    def pending(self, destination: str) -> list[Pending]:
        """What waits to be sent to a destination, in the order in which studies came."""
        rows = self._base.ask(
            "SELECT d.uid, d.class_uid, d.file, d.study, d.tries FROM delivery d JOIN study s ON s.key = d.study"
            " WHERE d.destination = ? AND d.state = 'pending' AND s.state = 'segmented' ORDER BY s.changed_at, d.file",
            (destination,),
        )
        return [Pending(*row) for row in rows]

    def delivered(self, destination: str, uid: str) -> None:
        """A destination has stored an object."""
        with self._base.change() as base:
            base.execute(
                "UPDATE delivery SET state = 'sent' WHERE destination = ? AND uid = ? AND state = 'pending'",
                (destination, uid),
            )
            for (study,) in base.execute("SELECT study FROM delivery WHERE uid = ?", (uid,)).fetchall():
                _close_if_sent(base, study)

    def refused(self, destination: str, uid: str) -> int:
        """A destination did not take an object; counts how often."""
        with self._base.change() as base:
            base.execute("UPDATE delivery SET tries = tries + 1 WHERE destination = ? AND uid = ?", (destination, uid))
            row = base.execute("SELECT tries FROM delivery WHERE destination = ? AND uid = ?", (destination, uid))
            return int(row.fetchone()[0])

    def ask_commitment(self, destination: str, uids: Sequence[str], transaction: str) -> None:
        """A destination was asked to commit objects."""
        with self._base.change() as base:
            base.executemany(
                "UPDATE delivery SET asked = ? WHERE destination = ? AND uid = ?",
                [(transaction, destination, uid) for uid in uids],
            )

    def committed(self, transaction: str, *, stored: Sequence[str], lost: Sequence[str]) -> None:
        """A destination has answered: what it has committed, and what it does not have, which is sent again."""
        with self._base.change() as base:
            base.executemany(
                "UPDATE delivery SET state = 'committed' WHERE asked = ? AND uid = ? AND state = 'sent'",
                [(transaction, uid) for uid in stored],
            )
            for uid in lost:
                base.execute(
                    "UPDATE delivery SET state = 'pending', asked = NULL WHERE asked = ? AND uid = ?",
                    (transaction, uid),
                )
                base.execute(
                    "UPDATE study SET state = 'segmented' WHERE state = 'sent' AND key IN"
                    " (SELECT study FROM delivery WHERE uid = ?)",
                    (uid,),
                )

    def uncommitted(self, destination: str) -> list[Made]:
        """What a destination has stored, and was not asked to commit yet."""
        rows = self._base.ask(
            "SELECT uid, class_uid, file FROM delivery WHERE destination = ? AND state = 'sent' AND asked IS NULL",
            (destination,),
        )
        return [Made(*row) for row in rows]


def _close_if_sent(base: sqlite3.Connection, study: str) -> None:
    base.execute(
        "UPDATE study SET state = 'sent' WHERE key = ?1 AND state = 'segmented' AND NOT EXISTS"
        " (SELECT 1 FROM delivery WHERE study = ?1 AND delivery.state = 'pending')",
        (study,),
    )
