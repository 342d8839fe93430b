"""The table of a folder of results, `cohort.csv`: a row a study, from the cases' records and nothing else.

Each row states when its record was written, so that only records that have changed since are read again, and whoever
writes one (`cmr segment`, `report`, another process) need not tell. Beside it lie two dictionaries of its columns.
"""

from __future__ import annotations

import csv
import fcntl
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline.app.results import MEASUREMENTS, read_record
from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.files import write_text
from pipeline.write.cohort_columns import COLUMNS, row_of
from pipeline.write.cohort_dictionary import dictionary_text, redcap_text
from pipeline.write.parquet import require_parquet, write_parquet
from pipeline.write.tables import table_text

__all__ = ["DICTIONARY", "PARQUET", "REDCAP", "TABLE", "CaseTable"]

TABLE = "cohort.csv"
DICTIONARY = "cohort_dictionary.csv"
REDCAP = "cohort_redcap.csv"
PARQUET = "cohort.parquet"
_LOCK = ".cohort.lock"

_log = logging.getLogger(__name__)
_NAMES = [column.name for column in COLUMNS]
_CASE, _TIME = _NAMES[:2]
Row = dict[str, str]


class CaseTable:
    """A cohort's table, kept up to date.

    Args:
        out: folder of the cases' folders.
        parquet: also write `cohort.parquet`, which otherwise is kept up to date only where it is there.

    Raises:
        ConfigError: a `cohort.csv` that is not ours, or pyarrow is not installed.
    """

    def __init__(self, out: Path, *, parquet: bool = False) -> None:
        self.out, self._parquet = out, parquet
        if parquet:
            require_parquet()
        _read_table(out)

    def update(self, *, anew: bool = False) -> Path:
        """Bring it up to date.

        Args:
            anew: read all records again, rather than those that have changed.

        Returns:
            The table. It is replaced whole, also where two processes are at it.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        with _locked(self.out / _LOCK):
            known = {} if anew or not self._is_current() else _read_table(self.out)
            rows = [row for folder, changed in _records(self.out) if (row := _row(folder, changed, known)) is not None]
            if anew or not self._is_current() or rows != list(known.values()):
                write_text(self.out / TABLE, table_text(_NAMES, rows))
                write_text(self.out / DICTIONARY, dictionary_text())
                write_text(self.out / REDCAP, redcap_text())
            self._write_parquet(rows)
        return self.out / TABLE

    def _is_current(self) -> bool:
        """Whether the table's columns mean what they mean now."""
        try:
            return (self.out / DICTIONARY).read_text(encoding="utf-8") == dictionary_text()
        except (OSError, UnicodeDecodeError):
            return False

    def _write_parquet(self, rows: Sequence[Row]) -> None:
        path = self.out / PARQUET
        if self._parquet or path.is_file():
            try:
                write_parquet(path, rows)
            except ConfigError as error:  # one from another machine, where pyarrow is
                _log.warning("%s stays as it was: %s", path, error)


def _records(out: Path) -> Iterator[tuple[Path, str]]:
    """Folders with a record, by name, and when it was written."""
    with os.scandir(out) as entries:
        folders = sorted(entry.path for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    for folder in map(Path, folders):
        try:
            changed_ns = (folder / MEASUREMENTS).stat().st_mtime_ns
        except OSError:
            continue
        seconds, rest = divmod(changed_ns, 10**9)
        moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
        yield folder, f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _row(folder: Path, changed: str, known: Mapping[str, Row]) -> Row | None:
    """A case's row, read only where its record has changed; `None` for a folder that is only claimed, or not ours."""
    before = known.get(folder.name)
    if before is not None and before[_TIME] == changed:
        return before
    try:
        record = read_record(folder / MEASUREMENTS)
        if not record.keys() & {"kind", "bundle", "failed"}:
            return None
        row = row_of(record)
    except (PipelineError, OSError, KeyError, TypeError, AttributeError) as error:
        row = dict.fromkeys(_NAMES) | {"status": "failed", "reason": f"its record cannot be read: {error}"}
    return {name: _text(value) for name, value in (row | {_CASE: folder.name, _TIME: changed}).items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _read_table(out: Path) -> dict[str, Row]:
    """Rows by case, as they were written.

    Raises:
        ConfigError: a table of this name that is not ours.
    """
    path = out / TABLE
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if list(reader.fieldnames or ())[:2] == [_CASE, _TIME]:
                return {row[_CASE]: row for row in reader} if reader.fieldnames == _NAMES else {}
    except (OSError, UnicodeDecodeError, csv.Error):
        pass
    raise ConfigError(f"the table of results needs its place, {path} is another; move it away")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for other processes that are at it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a disk that knows no locks: the table is replaced whole in any case
            _log.debug("no locks at %s", path)
        yield
