"""Results that wait to be sent, and what became of them. Nothing is sent twice, as far as that can be known.

A kill just between a destination's answer and its being written down lets an object be sent once more, under the same
UID, by which the destination knows it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pipeline.app.node.database import Database
from pipeline.app.node.queue import NOW, end_run
from pipeline.app.node.records import Job, Made, Pending

__all__ = ["MOST_REFUSALS", "Outbox"]

MOST_REFUSALS = 5
"""So often an object is offered to a destination that does not take it."""
_MOST_AT_ONCE = 500
_WAITING = "delivery d JOIN study s ON s.key = d.study WHERE d.state = 'pending' AND s.state = 'segmented'"


class Outbox:
    """The results of one node. Its methods may be called by any thread.

    Args:
        base: the data base.
    """

    def __init__(self, base: Database) -> None:
        self._base = base

    def recover(self) -> None:
        """Let commitment be asked for again where the node ended before the destination had answered."""
        with self._base.change() as base:
            base.execute("UPDATE delivery SET asked = NULL WHERE state = 'sent' AND NOT is_asked")

    def put(self, job: Job, made: Sequence[Made], destinations: Sequence[str]) -> None:
        """A study has results, which wait to be sent; what an earlier round has not sent yet is superseded.

        An object that a destination has already, by its UID, is not sent again.
        """
        with self._base.change() as base:
            base.execute("DELETE FROM delivery WHERE study = ? AND state IN ('pending', 'refused')", (job.study,))
            base.executemany(
                "INSERT OR IGNORE INTO delivery (study, destination, uid, class_uid, file) VALUES (?, ?, ?, ?, ?)",
                [(job.study, place, one.uid, one.class_uid, one.file) for place in destinations for one in made],
            )
            end_run(base, job, "segmented", "")
            _close_if_done(base, job.study)

    def states(self, destination: str) -> dict[str, str]:
        """What became of each object for a destination, by UID: pending, sent, committed or refused."""
        return dict(self._base.ask("SELECT uid, state FROM delivery WHERE destination = ?", (destination,)))

    def folders(self, study: str) -> set[str]:
        """Folders of a study's results, within those of all."""
        rows = self._base.ask("SELECT file FROM delivery WHERE study = ?", (study,))
        return {str(row[0]).split("/")[0] for row in rows}

    def n_waiting(self) -> dict[str, int]:
        """Destination -> objects that wait to be sent there."""
        rows = self._base.ask("SELECT destination, COUNT(*) FROM delivery WHERE state = 'pending' GROUP BY destination")
        return {str(name): int(number) for name, number in rows}

    def pending(self, destination: str) -> list[Pending]:
        """What waits to be sent to a destination: what went wrong least often first, then in the order it came."""
        rows = self._base.ask(
            f"SELECT d.uid, d.class_uid, d.file, d.study FROM {_WAITING} AND d.destination = ?"  # noqa: S608 text of our own
            " ORDER BY d.tries, s.changed_at, d.rowid LIMIT ?",
            (destination, _MOST_AT_ONCE),
        )
        return [Pending(*row) for row in rows]

    def waits(self, destination: str, uid: str) -> bool:
        """Whether an object still waits to be sent to a destination."""
        question = f"SELECT 1 FROM {_WAITING} AND d.destination = ? AND d.uid = ?"  # noqa: S608 text of our own
        return bool(self._base.ask(question, (destination, uid)))

    def delivered(self, destination: str, uid: str) -> None:
        """A destination has stored an object."""
        self._end(destination, uid, "sent", "")

    def missed(self, destination: str, uid: str) -> int:
        """An object could not be sent this time; counts how often."""
        with self._base.change() as base:
            base.execute("UPDATE delivery SET tries = tries + 1 WHERE destination = ? AND uid = ?", (destination, uid))
            row = base.execute("SELECT tries FROM delivery WHERE destination = ? AND uid = ?", (destination, uid))
            return int((row.fetchone() or (0,))[0])

    def refused(self, destination: str, uid: str, reason: str) -> None:
        """A destination did not take an object. When that was often enough it is not offered again, others are."""
        with self._base.change():
            if self.missed(destination, uid) >= MOST_REFUSALS:
                self._end(destination, uid, "refused", reason)

    def ask_commitment(self, destination: str, uids: Sequence[str], transaction: str) -> None:
        """A destination is being asked to commit objects."""
        with self._base.change() as base:
            base.executemany(
                "UPDATE delivery SET asked = ?, is_asked = 0 WHERE destination = ? AND uid = ?",
                [(transaction, destination, uid) for uid in uids],
            )

    def commitment_asked(self, transaction: str, *, is_taken: bool) -> None:
        """The destination has taken the question, and will answer; or has not, and may be asked another time."""
        with self._base.change() as base:
            change = "is_asked = 1" if is_taken else "asked = NULL"
            base.execute(f"UPDATE delivery SET {change} WHERE asked = ?", (transaction,))  # noqa: S608 text of our own

    def committed(self, transaction: str, *, stored: Sequence[str], lost: Sequence[str]) -> None:
        """A destination has answered: what it has committed, and what it does not have, which is sent again."""
        with self._base.change() as base:
            base.executemany(
                "UPDATE delivery SET state = 'committed' WHERE asked = ? AND uid = ? AND state = 'sent'",
                [(transaction, uid) for uid in stored],
            )
            for uid in lost:
                self._send_again(base, transaction, uid)

    def uncommitted(self, destination: str) -> list[Made]:
        """What a destination has stored, and was not asked to commit yet."""
        rows = self._base.ask(
            "SELECT uid, class_uid, file FROM delivery WHERE destination = ? AND state = 'sent' AND asked IS NULL"
            " LIMIT ?",
            (destination, _MOST_AT_ONCE),
        )
        return [Made(*row) for row in rows]

    def _send_again(self, base: sqlite3.Connection, transaction: str, uid: str) -> None:
        row = base.execute(
            "SELECT study, destination FROM delivery WHERE asked = ? AND uid = ? AND state = 'sent'", (transaction, uid)
        ).fetchone()
        if row is None:
            return
        study, destination = row
        base.execute(
            "UPDATE delivery SET state = 'pending', asked = NULL WHERE destination = ? AND uid = ?", (destination, uid)
        )
        base.execute("UPDATE study SET state = 'segmented' WHERE state = 'sent' AND key = ?", (study,))
        self.refused(destination, uid, "it took the object, and then did not have it")

    def _end(self, destination: str, uid: str, state: str, reason: str) -> None:
        with self._base.change() as base:
            base.execute(
                "UPDATE delivery SET state = ?, reason = ? WHERE destination = ? AND uid = ? AND state = 'pending'",
                (state, reason, destination, uid),
            )
            row = base.execute("SELECT study FROM delivery WHERE destination = ? AND uid = ?", (destination, uid))
            for (study,) in row.fetchall():
                _close_if_done(base, study)


def _close_if_done(base: sqlite3.Connection, study: str) -> None:
    """End a study of which nothing waits: it is sent, or failed where a destination did not take something of it."""
    refused = base.execute(
        "SELECT destination || ' does not take ' || substr(file, instr(file, '/') + 1) || ': ' || reason FROM delivery"
        " WHERE study = ? AND state = 'refused' ORDER BY rowid",
        (study,),
    ).fetchall()
    base.execute(
        f"UPDATE study SET state = ?2, reason = ?3, ended_at = {NOW} WHERE key = ?1 AND state = 'segmented'"  # noqa: S608
        " AND NOT EXISTS (SELECT 1 FROM delivery WHERE study = ?1 AND delivery.state = 'pending')",
        (study, "failed" if refused else "sent", "; ".join(row[0] for row in refused)),
    )
