"""The node's queue: the studies that came, and how far each is. It survives a kill at any moment.

A study is *received* (its images come in), *queued* (it is whole), *running*, *segmented* (its results wait to be sent,
see `app.node.outbox`), *sent*, *failed* with a reason, or *ignored* by the rules. What was running when the node ended
is queued again.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence

from pipeline.app.node.database import Database
from pipeline.app.node.records import STATES, Instance, Job, StudyRow

__all__ = ["NOW", "Queue", "end_run"]

NOW = "CAST(strftime('%s', 'now') AS REAL)"
_DONE = "state IN ('sent', 'ignored') AND MAX(changed_at, COALESCE(ended_at, 0))"
"""Of a study that is done: since when, beside a moment to compare it with."""


class Queue:
    """The studies of one node. Its methods may be called by any thread.

    Args:
        base: the data base.
    """

    def __init__(self, base: Database) -> None:
        self._base = base

    def secret(self) -> str:
        """A secret of this node alone, by which studies get their keys; made at first."""
        with self._base.change() as base:
            base.execute("INSERT OR IGNORE INTO note VALUES ('secret', ?)", (secrets.token_hex(32),))
            return str(base.execute("SELECT value FROM note WHERE name = 'secret'").fetchone()[0])

    def recover(self) -> int:
        """Queue again what was running when the node ended, and count it."""
        with self._base.change() as base:
            return base.execute("UPDATE study SET state = 'queued' WHERE state = 'running'").rowcount

    def record(self, came: Instance, *, caller: str, now: float) -> str | None:
        """Record an object that came. Its study is to be segmented, again if it was, unless the object was here.

        Returns:
            File of the earlier content of this object, which is no longer needed; the same file if nothing is new;
            `None` for a new object.
        """
        with self._base.change() as base:
            row = base.execute(
                "SELECT file FROM instance WHERE study = ? AND uid = ?", (came.study, came.uid)
            ).fetchone()
            if row is not None and row[0] == came.file:
                return came.file
            base.execute(
                "INSERT INTO study (key, state, caller, changed_at) VALUES (?1, 'received', ?2, ?3) ON CONFLICT (key)"
                " DO UPDATE SET round = round + 1, caller = ?2, changed_at = ?3, attempts = 0, reason = '',"
                " state = CASE state WHEN 'running' THEN 'running' ELSE 'received' END",
                (came.study, caller, now),
            )
            base.execute("INSERT OR REPLACE INTO instance VALUES (?, ?, ?)", (came.study, came.uid, came.file))
            return None if row is None else str(row[0])

    def has(self, study: str, uid: str) -> bool:
        """Whether an object of a study is here."""
        return bool(self._base.ask("SELECT 1 FROM instance WHERE study = ? AND uid = ?", (study, uid)))

    def n_instances(self, study: str) -> int:
        """Objects of a study that are here."""
        return int(self._base.ask("SELECT COUNT(*) FROM instance WHERE study = ?", (study,))[0][0])

    def knows(self, uid: str) -> bool:
        """Whether an object of this SOPInstanceUID is here."""
        return bool(self._base.ask("SELECT 1 FROM instance WHERE uid = ? LIMIT 1", (uid,)))

    def files(self, study: str) -> set[str]:
        """Files of a study's objects."""
        return {str(row[0]) for row in self._base.ask("SELECT file FROM instance WHERE study = ?", (study,))}

    def quiet_since(self, moment: float, *, now: float) -> list[tuple[str, str]]:
        """Studies whose last object came before a moment (or, by a clock that was set, after now), with its sender."""
        rows = self._base.ask(
            "SELECT key, caller FROM study WHERE state = 'received' AND (changed_at <= ? OR changed_at > ?)"
            " ORDER BY changed_at",
            (moment, now),
        )
        return [(str(key), str(caller)) for key, caller in rows]

    def enqueue(self, study: str, *, rule: str) -> None:
        """A study is whole, and a rule says what becomes of it."""
        with self._base.change() as base:
            base.execute(
                "UPDATE study SET state = 'queued', rule = ?, attempts = 0, not_before = 0"
                " WHERE key = ? AND state = 'received'",
                (rule, study),
            )

    def ignore(self, study: str, reason: str) -> None:
        """No rule wants a study."""
        self._set(study, "ignored", reason, was=("received",))

    def reject(self, study: str, reason: str) -> None:
        """A study cannot be read."""
        self._set(study, "failed", reason, was=("received",))

    def take(self, *, now: float) -> Job | None:
        """The next study to be segmented, which is running from now on; `None` if none waits."""
        with self._base.change() as base:
            row = base.execute(
                "SELECT key, round, attempts + 1, caller FROM study WHERE state = 'queued'"
                " AND (not_before <= ?1 OR not_before > ?1 + 3600)"
                " ORDER BY changed_at LIMIT 1",
                (now,),
            ).fetchone()
            if row is None:
                return None
            base.execute("UPDATE study SET state = 'running', attempts = attempts + 1 WHERE key = ?", (row[0],))
            return Job(*row)

    def fail(self, job: Job, reason: str) -> None:
        """A study cannot be segmented. Images that came meanwhile give it another chance."""
        with self._base.change() as base:
            end_run(base, job, "failed", reason)

    def postpone(self, job: Job, reason: str, *, until: float) -> None:
        """A study waits for better times, as for space on the disk."""
        with self._base.change() as base:
            end_run(base, job, "queued", reason)
            base.execute("UPDATE study SET not_before = ?, attempts = 0 WHERE key = ?", (until, job.study))

    def again(self, study: str) -> bool:
        """Let a study be segmented and sent once more; says whether there is such a one that is not running."""
        with self._base.change() as base:
            is_there = self._set(study, "received", "", was=[state for state in STATES if state != "running"])
            if is_there:
                base.execute("DELETE FROM delivery WHERE study = ?", (study,))
            return is_there

    def renew(self, study: str) -> None:
        """A study's results are not on the disk as they were: it is looked at again, and only new ones are sent."""
        self._set(study, "received", "", was=("segmented",))

    def done_before(self, moment: float) -> list[str]:
        """Studies that were sent or ignored before a moment."""
        rows = self._base.ask(f"SELECT key FROM study WHERE {_DONE} < ?", (moment,))  # noqa: S608 text of our own
        return [str(row[0]) for row in rows]

    def forget(self, study: str, *, done_before: float) -> bool:
        """Remove a study, unless images have come since it was found to be done; says whether it was removed."""
        with self._base.change() as base:
            found = base.execute(f"SELECT 1 FROM study WHERE key = ? AND {_DONE} < ?", (study, done_before))  # noqa: S608
            if found.fetchone() is None:
                return False
            for table, column in (("delivery", "study"), ("instance", "study"), ("study", "key")):
                base.execute(f"DELETE FROM {table} WHERE {column} = ?", (study,))  # noqa: S608 names of our own
            return True

    def oldest_s(self, now: float) -> float:
        """Age of the oldest study that is not done; 0 where there is none."""
        states = "state IN ('received', 'queued', 'running', 'segmented')"
        (row,) = self._base.ask(f"SELECT MIN(changed_at) FROM study WHERE {states}")  # noqa: S608 text of our own
        return 0.0 if row[0] is None else max(0.0, now - row[0])

    def counts(self) -> dict[str, int]:
        """State -> number of studies in it."""
        found = {str(state): int(n) for state, n in self._base.ask("SELECT state, COUNT(*) FROM study GROUP BY state")}
        return {state: found.get(state, 0) for state in STATES}

    def studies(self) -> list[StudyRow]:
        """All studies, the latest last."""
        rows = self._base.ask(
            "SELECT key, state, reason, rule, caller, (SELECT COUNT(*) FROM instance WHERE study = key),"
            " (SELECT COUNT(*) FROM delivery WHERE study = key AND delivery.state != 'pending'),"
            " (SELECT COUNT(*) FROM delivery WHERE study = key), changed_at FROM study ORDER BY changed_at"
        )
        return [StudyRow(*row) for row in rows]

    def _set(self, study: str, state: str, reason: str, *, was: Sequence[str]) -> bool:
        marks = ", ".join("?" * len(was))
        with self._base.change() as base:
            changed = base.execute(
                f"UPDATE study SET state = ?, reason = ?, ended_at = {NOW} WHERE key = ? AND state IN ({marks})",  # noqa: S608
                (state, reason, study, *was),
            )
            return changed.rowcount > 0


def end_run(base: sqlite3.Connection, job: Job, state: str, reason: str) -> None:
    """End a run; images that came while it lasted make the study one that is received."""
    base.execute(
        f"UPDATE study SET state = CASE round WHEN ? THEN ? ELSE 'received' END, reason = ?, ended_at = {NOW}"  # noqa: S608
        " WHERE key = ? AND state = 'running'",
        (job.round, state, reason, job.study),
    )
