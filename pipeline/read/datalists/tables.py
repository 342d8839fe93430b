"""Anyone's own data: a CSV or JSON list with `image`, `label`, `patient`, and optionally `phase` and `scheme`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.cases import Adapter, DatalistEntry, Scheme, read_json

__all__ = ["ADAPTERS", "find_table", "table_cases"]

_REQUIRED = ("image", "label", "patient")


def find_table(folder: Path) -> Path | None:
    """`datalist.csv` or `datalist.json` in a folder; `None` where there is neither."""
    return next((folder / name for name in ("datalist.csv", "datalist.json") if (folder / name).is_file()), None)


def table_cases(path: Path, *, scheme: Scheme | None = None) -> list[DatalistEntry]:
    """List the rows of a table.

    Args:
        path: `.csv` with a header line, or `.json` holding a list of objects, or an object with such a list under
            `training`. Relative paths are meant from the file's own folder. Further columns are kept.
        scheme: label scheme of rows that state none.

    Raises:
        DatasetError: unreadable, a row without `image`, `label` or `patient`, or one without any scheme.
    """
    return [_case(row, number, path, scheme) for number, row in enumerate(_rows(path), start=1)]


def _rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() == ".csv":
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                return list(csv.DictReader(file, strict=True))
        except (OSError, csv.Error, UnicodeDecodeError) as error:
            raise DatasetError(f"a data list must be valid CSV ({error})", path) from error
    rows = read_json(path)
    rows = rows.get("training") if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DatasetError("a JSON data list must be a list of objects, alone or under `training`", path)
    return rows


def _case(row: dict[str, Any], number: int, path: Path, scheme: Scheme | None) -> DatalistEntry:
    absent = [name for name in _REQUIRED if row.get(name) in (None, "")]
    if absent:
        raise DatasetError(f"entry {number} must state image, label and patient; it lacks {', '.join(absent)}", path)
    own = row.get("scheme") or scheme
    if own is None:
        raise DatasetError(f"entry {number} must state its label `scheme`, or give one for all", path)
    # csv.DictReader files surplus cells under None, which no case has use for.
    extra = {name: value for name, value in row.items() if name is not None}
    files = {name: str(path.parent / str(row[name])) for name in ("image", "label")}
    return {**extra, **files, "patient": str(row["patient"]), "phase": str(row.get("phase") or ""), "scheme": own}


_WHAT = "a .csv or .json list, or a folder with datalist.csv or datalist.json"


def _fits(source: Path) -> bool:
    return find_table(source) is not None if source.is_dir() else source.name != "dataset.json"


def _table(source: Path) -> Path:
    table = find_table(source) if source.is_dir() else source
    if table is None or table.suffix.lower() not in (".csv", ".json"):
        raise DatasetError(f"a table must be {_WHAT}", source)
    return table


ADAPTERS = (Adapter("table", _WHAT, _fits, lambda source, *, scheme, **_: table_cases(_table(source), scheme=scheme)),)
