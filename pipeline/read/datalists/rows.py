"""Tables of published data sets: CSV files with a line of column names."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import DatasetError

__all__ = ["columns_of", "read_rows"]


def columns_of(table: Path) -> list[str]:
    """Names of a table's columns; none where it is empty or no CSV."""
    try:
        with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except csv.Error:
        return []


def read_rows(table: Path, *, needed: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a table by the names of its columns.

    Args:
        table: the CSV file. Letters that are not UTF-8 are replaced, for such files come from many hands.
        needed: columns without which it is no table of its kind.

    Returns:
        Stripped cells; one that a row lacks is empty, those beyond the columns are left out. Empty lines are no rows.

    Raises:
        DatasetError: a needed column is missing, or a row is no CSV.
    """
    columns = columns_of(table)
    missing = [name for name in needed if name not in columns]
    if missing:
        raise DatasetError(f"{table.name} must have the columns {', '.join(needed)}, it lacks {missing[0]}", table)
    try:
        with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            _, *rows = csv.DictReader(file, fieldnames=columns, restval="")
    except csv.Error as error:
        raise DatasetError(f"{table.name} must be valid CSV ({error})", table) from error
    return [{name: row[name].strip() for name in columns} for row in rows]
