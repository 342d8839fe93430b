"""Tables as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.files import write_text

__all__ = ["table_text", "write_table"]


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows of one set of columns, the file whole. `None` becomes an empty field, numbers keep every digit.

    Args:
        path: CSV to write. Parent folders are created.
        rows: at least one, all with the first one's keys in its order.

    Returns:
        `path`.
    """
    write_text(path, table_text(list(rows[0]), rows))
    return path


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    r"""A table as the text of a CSV file (RFC 4180, lines that end in LF).

    >>> table_text(["a", "b"], [{"a": 1, "b": None}, {"a": "x, y", "b": 0.5}])
    'a,b\n1,\n"x, y",0.5\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
