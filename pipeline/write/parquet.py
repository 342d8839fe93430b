"""The cohort's table as Parquet, with types; needs pyarrow (`pip install cardiac-mr-pipeline[parquet]`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigError
from pipeline.core.files import replacing
from pipeline.write.cohort_columns import COLUMNS, Column

__all__ = ["require_parquet", "write_parquet"]


def require_parquet() -> None:
    """Refuse Parquet where it cannot be written.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet needs pyarrow: pip install 'cardiac-mr-pipeline[parquet]'")


def write_parquet(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the table, each column in its type and with unit and definition in its metadata.

    Args:
        path: file to write, whole.
        rows: values as in the CSV; an empty text is null.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    require_parquet()
    import pyarrow as pa
    from pyarrow import parquet

    types = {"integer": pa.int64(), "number": pa.float64(), "yes_no": pa.bool_()}
    fields = [
        pa.field(
            column.name,
            pa.string() if isinstance(column.kind, tuple) else types.get(column.kind, pa.string()),
            metadata={"unit": column.unit, "definition": column.definition},
        )
        for column in COLUMNS
    ]
    typed = [{column.name: _typed(row[column.name], column) for column in COLUMNS} for row in rows]
    table = pa.Table.from_pylist(typed, schema=pa.schema(fields))
    with replacing(path) as partial:
        parquet.write_table(table, partial)


def _typed(text: str, column: Column) -> Any:
    if not text:
        return None
    if column.kind == "yes_no":
        return text == "1"
    convert: dict[Any, type] = {"integer": int, "number": float}
    return convert.get(column.kind, str)(text)
