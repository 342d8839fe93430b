"""Data sets on disk to one plain list of cases, whatever their layout; the form is told in `datalists.cases`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.read.datalists.acdc import acdc_cases, looks_like_acdc
from pipeline.read.datalists.cases import Case, Scheme, finish_cases
from pipeline.read.datalists.decathlon import looks_like_msd, looks_like_nnunet, msd_cases, nnunet_cases
from pipeline.read.datalists.sunnybrook import looks_like_sunnybrook, sunnybrook_cases
from pipeline.read.datalists.tables import find_table, table_cases
from pipeline.read.packs import is_pack, pack_cases

__all__ = ["LAYOUTS", "Layout", "load_datalist"]

Layout = Literal["auto", "table", "acdc", "sunnybrook", "nnunet", "msd", "pack"]

LAYOUTS = {
    "table": "a .csv or .json list, or a folder with datalist.csv or datalist.json",
    "acdc": "patientNNN/ folders with Info.cfg",
    "sunnybrook": "link.csv, dicom/ and contours/",
    "nnunet": "dataset.json, imagesTr/<case>_0000.nii.gz and labelsTr/<case>.nii.gz",
    "msd": "dataset.json with a list under `training`",
    "pack": "a .pack file that `cmr pack` wrote",
}
"""Layouts that are understood, and what each is recognised by."""


def load_datalist(
    source: str | Path,
    *,
    layout: Layout = "auto",
    scheme: Scheme | None = None,
    label_dir: str | Path | None = None,
) -> list[Case]:
    """List the labelled cases of a data set.

    Args:
        source: the data set's folder, a list (.csv, .json), or a pack (.pack).
        layout: one of `LAYOUTS`, or "auto" to recognise it by what is there.
        scheme: label scheme of a table's rows that state none, and instead of the names in a `dataset.json`; ACDC and
            Sunnybrook have their own.
        label_dir: where label maps made from contours (Sunnybrook) are kept; `None` uses the user's cache folder.

    Returns:
        Cases sorted by patient and phase: dicts with `image`, `label`, `patient`, `phase`, `spacing` (mm), `scheme`,
        and what else the data set tells. The list does not depend on the order of files on disk.

    Raises:
        ConfigError: no such layout.
        DatasetError: nothing there, no layout or more than one recognised, files that do not exist (named), or a
            list that is not in the form declared.
    """
    source = Path(source)
    if layout != "auto" and layout not in LAYOUTS:
        raise ConfigError(f"`layout` must be auto or one of {', '.join(LAYOUTS)}, got {layout!r}")
    if not source.exists():
        raise DatasetError("a data set's folder or list was expected here, but there is none", source)
    chosen = _recognise(source) if layout == "auto" else layout
    if chosen == "pack":
        return sorted(pack_cases(source), key=lambda case: (case["patient"], case["phase"]))
    folder = source if source.is_dir() else source.parent
    if chosen == "acdc":
        cases = acdc_cases(folder)
    elif chosen == "sunnybrook":
        cases = sunnybrook_cases(folder, label_dir=_label_dir(folder, label_dir))
    elif chosen == "nnunet":
        cases = nnunet_cases(folder, scheme=scheme)
    elif chosen == "msd":
        cases = msd_cases(folder, scheme=scheme)
    else:
        cases = table_cases(_table(source), scheme=scheme)
    return finish_cases(cases, source=source)


def _recognise(source: Path) -> str:
    """Name the one layout that fits what is there."""
    if is_pack(source):
        return "pack"
    if source.is_file() and source.name != "dataset.json":
        return "table"
    folder = source if source.is_dir() else source.parent
    fits = {
        "table": source.is_dir() and find_table(folder) is not None,
        "acdc": source.is_dir() and looks_like_acdc(folder),
        "sunnybrook": source.is_dir() and looks_like_sunnybrook(folder),
        "nnunet": looks_like_nnunet(folder),
        "msd": looks_like_msd(folder),
    }
    found = [name for name, fit in fits.items() if fit]
    if len(found) == 1:
        return found[0]
    understood = "; ".join(f"{name}: {what}" for name, what in LAYOUTS.items())
    if found:
        raise DatasetError(f"the layout must be unambiguous, got {' and '.join(found)}; state `layout`", source)
    raise DatasetError(f"no known layout is found here; understood are {understood}", source)


def _table(source: Path) -> Path:
    table = find_table(source) if source.is_dir() else source
    if table is None or table.suffix.lower() not in (".csv", ".json"):
        raise DatasetError(f"a table must be {LAYOUTS['table']}", source)
    return table


def _label_dir(folder: Path, stated: str | Path | None) -> Path:
    """Name the stated folder, or one in the user's cache that no other copy of the data set shares."""
    if stated is not None:
        return Path(stated)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return cache / "cardiac-mr-pipeline" / f"sunnybrook-{digest}"
