"""Tables as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["write_table"]


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows of one set of columns. `None` becomes an empty field, numbers keep every digit.

    Args:
        path: CSV to write. Parent folders are created.
        rows: at least one, all with the first one's keys in its order.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
