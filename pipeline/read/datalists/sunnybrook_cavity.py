"""Sunnybrook patients as single volumes of the contoured slices: `<patient>_<ED|ES>.nii.gz` with `..._gt.nii.gz`.

The left cavity is drawn in every slice, its wall where `cases.csv` counts slices with an epicardium, the right
ventricle nowhere: zero is not background (`drawn_structures`). Data: Radau et al., The MIDAS Journal, 2009.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import DatasetError
from pipeline.core.labels import LV, MYO
from pipeline.read.datalists.cases import Adapter, DatalistEntry, Scheme
from pipeline.read.datalists.rows import columns_of, read_rows

__all__ = ["ADAPTERS", "cavity_cases", "looks_like_cavities"]

_TABLE = "cases.csv"
_COLUMNS = ("case", "phase", "slices", "slices_with_epi")


def looks_like_cavities(folder: Path) -> bool:
    """Whether the folder has a `cases.csv` that counts the slices with an epicardium."""
    return (folder / _TABLE).is_file() and set(_COLUMNS) <= set(columns_of(folder / _TABLE))


def cavity_cases(folder: Path, *, scheme: Scheme | None = None) -> list[DatalistEntry]:
    """List the volumes.

    Args:
        folder: holds `cases.csv` (case, phase, slices, slices_with_epi, spacing_is) and the files.
        scheme: of the labels; `None`: "cmr".

    Returns:
        A case a row: `drawn_structures` LV, and MYO where every slice has its epicardium; `group` from the patient's
        name (HF-I, HF-NI, HYP, N); a `note` where the spacing is assumed.

    Raises:
        DatasetError: a row that does not count its slices.
    """
    return [_case(folder, row, scheme) for row in read_rows(folder / _TABLE, needed=_COLUMNS)]


def _case(folder: Path, row: dict[str, str], scheme: Scheme | None) -> DatalistEntry:
    stem = f"{row['case']}_{row['phase']}"
    if not (row["slices"].isdigit() and row["slices_with_epi"].isdigit()):
        raise DatasetError(f"the table must count slices and slices_with_epi of {stem}", folder / _TABLE)
    has_wall = int(row["slices_with_epi"]) == int(row["slices"])
    case: DatalistEntry = {
        "image": str(folder / f"{stem}.nii.gz"),
        "label": str(folder / f"{stem}_gt.nii.gz"),
        "patient": row["case"],
        "phase": row["phase"],
        "scheme": scheme or "cmr",
        "drawn_structures": [LV.short, MYO.short] if has_wall else [LV.short],
    }
    if diagnosis := _diagnosis(row["case"]):
        case["group"] = diagnosis
    if row.get("spacing_is") == "assumed":
        case["note"] = "its spacing is assumed: not for volumes"
    return case


def _diagnosis(patient: str) -> str:
    """What stands between collection and number in a patient's name.

    >>> _diagnosis("SC-HF-NI-07"), _diagnosis("SC-N-02"), _diagnosis("p1")
    ('HF-NI', 'N', '')
    """
    return "-".join(patient.split("-")[1:-1])


ADAPTERS = (
    Adapter(
        "sunnybrook_cavity",
        "<patient>_<ED|ES>.nii.gz and cases.csv with slices_with_epi",
        lambda source: source.is_dir() and looks_like_cavities(source),
        lambda source, *, scheme, **_: cavity_cases(source, scheme=scheme),
    ),
)
