"""M&Ms (Campello et al., IEEE TMI 40:3543, 2021, doi 10.1109/TMI.2021.3090082): cines with labels at ED and ES.

One folder a patient with `<code>_sa.nii.gz` and `<code>_sa_gt.nii.gz`, and one CSV for all, which states the phases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.core.errors import DatasetError
from pipeline.read.datalists.cases import Adapter, DatalistEntry, Scheme, is_hidden
from pipeline.read.datalists.rows import columns_of, read_rows

__all__ = ["ADAPTERS", "looks_like_mnms", "mnms_cases"]

_LABEL = "_sa_gt.nii.gz"
_CODE, _ED, _ES = "External code", "ED", "ES"
_FACTS = (("VendorName", "vendor"), ("Centre", "centre"), ("Pathology", "group"), ("Sex", "sex"))
_DEPTH = 4
"""Folders between the data set's and a patient's, as in `OpenDataset/Training/Labeled/A0S9V9`, and one more."""


def looks_like_mnms(folder: Path) -> bool:
    """Whether there are label maps of its kind, and a table with its columns."""
    return next(_labels(folder), None) is not None and _table(folder) is not None


def mnms_cases(folder: Path, *, scheme: Scheme | None = None) -> list[DatalistEntry]:
    """List the labelled cines.

    Args:
        folder: the data set's, or one within it that holds the CSV and the patients' folders.
        scheme: of the labels; `None`: "mnms".

    Returns:
        One case a patient, `drawn_phases` from the CSV (ED, ES), with `vendor`, `centre`, `group` and
        `sex` where stated.

    Raises:
        DatasetError: no table, or one that does not state a patient's ED and ES as phases.
    """
    table = _table(folder)
    if table is None:
        raise DatasetError(f"M&Ms needs its CSV with the columns {_CODE}, {_ED} and {_ES}, got none", folder)
    rows = {row[_CODE]: row for row in read_rows(table, needed=(_CODE, _ED, _ES))}
    return [_case(label, rows, table) | {"scheme": scheme or "mnms"} for label in sorted(_labels(folder))]


def _case(label: Path, rows: dict[str, dict[str, str]], table: Path) -> DatalistEntry:
    code = label.name[: -len(_LABEL)]
    row = rows.get(code)
    if row is None or not (row[_ED].isdigit() and row[_ES].isdigit()):
        raise DatasetError(f"the table must state ED and ES of {code} as numbers from 0 on, it does not", table)
    facts = {name: row[key] for key, name in _FACTS if row.get(key)}
    return facts | {
        "image": str(label.with_name(f"{code}_sa.nii.gz")),
        "label": str(label),
        "patient": code,
        "phase": "",
        "drawn_phases": sorted({int(row[_ED]), int(row[_ES])}),
    }


def _labels(folder: Path) -> Iterator[Path]:
    """Labels of patients, not what a file manager leaves beside them."""
    found = (path for depth in range(_DEPTH + 1) for path in folder.glob("*/" * depth + f"*{_LABEL}"))
    return (path for path in found if not is_hidden(path))


def _table(folder: Path) -> Path | None:
    """The CSV with the columns that say when somebody has drawn."""
    found = (path for pattern in ("*.csv", "*/*.csv") for path in folder.glob(pattern) if not is_hidden(path))
    return next((path for path in sorted(found) if {_CODE, _ED, _ES} <= set(columns_of(path))), None)


ADAPTERS = (
    Adapter(
        "mnms",
        "<code>/<code>_sa_gt.nii.gz and a CSV with External code, ED and ES",
        lambda source: source.is_dir() and looks_like_mnms(source),
        lambda source, *, scheme, **_: mnms_cases(source, scheme=scheme),
    ),
)
