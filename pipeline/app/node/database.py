"""The data base of a node's queue, in SQLite: every change is one transaction that is on the disk when it ends."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import InputError

__all__ = ["Database"]

_FORMAT = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS study (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', caller TEXT NOT NULL,
    rule TEXT NOT NULL DEFAULT '', round INTEGER NOT NULL DEFAULT 1, attempts INTEGER NOT NULL DEFAULT 0,
    input_sha256 TEXT, changed_at REAL NOT NULL, not_before REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS instance (
    study TEXT NOT NULL REFERENCES study(key), uid TEXT NOT NULL, file TEXT NOT NULL, PRIMARY KEY (study, uid)
);
CREATE TABLE IF NOT EXISTS delivery (
    study TEXT NOT NULL REFERENCES study(key), destination TEXT NOT NULL, uid TEXT NOT NULL, class_uid TEXT NOT NULL,
    file TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending', tries INTEGER NOT NULL DEFAULT 0,
    asked TEXT, PRIMARY KEY (destination, uid)
);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS instance_uid ON instance (uid);
CREATE INDEX IF NOT EXISTS study_state ON study (state);
CREATE INDEX IF NOT EXISTS delivery_state ON delivery (state, destination);
"""


class Database:
    """The data base of one node. Its methods may be called by any thread.

    Args:
        path: its file; made if missing.

    Raises:
        InputError: no such data base, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30.0)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")  # a transaction that has ended is on the disk
            self._base.execute("PRAGMA foreign_keys = ON")
            self._base.executescript(_TABLES)
            found = self._base.execute("PRAGMA user_version").fetchone()[0]
            self._base.execute(f"PRAGMA user_version = {found or _FORMAT}")
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"a node's queue must be a data base of its own, this one is not: {error}", path
            ) from error
        if found not in (0, _FORMAT):
            raise InputError(f"a node's queue must be of format {_FORMAT}, this one is of {found}", path)

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
            if self._base.in_transaction:  # part of a larger one
                yield self._base
                return
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")
