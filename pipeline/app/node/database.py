"""The data base of a node's queue, in SQLite: every change is one transaction that is on the disk when it ends."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.app.node.journal import Journal
from pipeline.core.errors import InputError

__all__ = ["HELD_UP_S", "Database", "persist"]

HELD_UP_S = 5.0
"""Time after which a change is tried again that could not be written, as on a full disk."""

_FORMAT = 1
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE study (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', caller TEXT NOT NULL,
    rule TEXT NOT NULL DEFAULT '', round INTEGER NOT NULL DEFAULT 1, attempts INTEGER NOT NULL DEFAULT 0,
    changed_at REAL NOT NULL, not_before REAL NOT NULL DEFAULT 0, ended_at REAL
);
CREATE TABLE instance (
    study TEXT NOT NULL REFERENCES study(key), uid TEXT NOT NULL, file TEXT NOT NULL, PRIMARY KEY (study, uid)
);
CREATE TABLE delivery (
    study TEXT NOT NULL REFERENCES study(key), destination TEXT NOT NULL, uid TEXT NOT NULL, class_uid TEXT NOT NULL,
    file TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending', tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', asked TEXT, is_asked INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (destination, uid)
);
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE INDEX instance_uid ON instance (uid);
CREATE INDEX study_state ON study (state);
CREATE INDEX delivery_state ON delivery (state, destination);
PRAGMA user_version = {_FORMAT};
COMMIT;
"""


class Database:
    """The data base of one node. Its methods may be called by any thread.

    Args:
        path: its file; made if missing.

    Raises:
        InputError: it cannot be opened, is none of a node, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._lock, self._is_changing = threading.RLock(), False
        try:
            path.touch(mode=0o600)  # SQLite's files beside it get the same permissions
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30.0)
        except (OSError, sqlite3.OperationalError) as error:
            raise InputError(f"a node's queue cannot be opened: {error}", path) from error
        try:
            self._prepare(path)
        except BaseException:
            self._base.close()
            raise

    def _prepare(self, path: Path) -> None:
        base = self._base
        try:
            found = base.execute("PRAGMA user_version").fetchone()[0]
            is_others = not found and base.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            if is_others or found not in (0, _FORMAT):
                said = "of another program" if is_others else f"of {found}"
                raise InputError(f"a node's queue must be of format {_FORMAT}, this one is {said}", path)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = FULL")  # a transaction that has ended is on the disk
            base.execute("PRAGMA foreign_keys = ON")
            if not found:
                base.executescript(_TABLES)
        except sqlite3.OperationalError as error:  # busy, full, or may not be written to
            raise InputError(f"a node's queue cannot be opened: {error}", path) from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"a node's queue must be a data base, this one is not: {error}", path) from error

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._base.close()

    def ask(self, question: str, values: Sequence[object] = ()) -> list[tuple]:
        """Rows that answer a question."""
        with self._lock:
            return self._base.execute(question, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing."""
        with self._lock:
            if self._is_changing:  # part of a larger one
                yield self._base
                return
            self._base.execute("BEGIN IMMEDIATE")
            self._is_changing = True
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:  # also of COMMIT, on a full disk: what was begun must not swallow what comes next
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise
            finally:
                self._is_changing = False


def persist(change: Callable[[], object], ends: threading.Event, journal: Journal) -> None:
    """Write down what has happened, waiting for space where the disk is full, until the node ends."""
    while True:
        try:
            change()
        except sqlite3.OperationalError as error:
            journal.tell("queue held up", level=logging.ERROR, error=error)
            if ends.wait(HELD_UP_S):
                return
        else:
            return
