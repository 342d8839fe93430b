"""Data sets on disk to one plain list of cases, whatever their layout; the form is told in `datalists.cases`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.read import datalists
from pipeline.read.datalists.cases import Adapter, DatalistEntry, Scheme, finish_cases, parse_scheme
from pipeline.read.gate import admit
from pipeline.read.packs import is_pack, pack_cases

__all__ = ["LAYOUTS", "checked_datalist", "joined_datalist", "load_datalist"]


def _adapters() -> dict[str, Adapter]:
    """Those of every module in `datalists`, by name."""
    names = sorted(found.name for found in iter_modules(datalists.__path__))
    modules = [import_module(f"{datalists.__name__}.{name}") for name in names]
    return {adapter.name: adapter for module in modules for adapter in getattr(module, "ADAPTERS", ())}


_ADAPTERS = _adapters()
_PACK = "pack"
LAYOUTS: Mapping[str, str] = MappingProxyType(
    {name: adapter.what for name, adapter in _ADAPTERS.items()} | {_PACK: "a .pack file that `cmr pack` wrote"}
)
"""Layouts that are understood, and what each is recognised by."""


def load_datalist(
    source: str | Path,
    *,
    layout: str = "auto",
    scheme: Scheme | None = None,
    label_dir: str | Path | None = None,
) -> list[DatalistEntry]:
    """List the labelled cases of a data set.

    Args:
        source: the data set's folder, a list (.csv, .json), or a pack (.pack).
        layout: one of `LAYOUTS`, or "auto" to recognise it by what is there.
        scheme: label scheme of a table's rows that state none, and instead of a layout's own, as of the names in a
            `dataset.json`; Sunnybrook's contours have none.
        label_dir: where label maps made from contours (Sunnybrook) are kept; `None` uses the user's cache folder.

    Returns:
        Cases sorted by patient and phase: dicts with `image`, `label`, `patient`, `phase`, `scheme`, and what else the
        data set tells. The list does not depend on the order of files on disk, none of which is opened.

    Raises:
        ConfigError: no such layout.
        DatasetError: nothing there, no layout or more than one recognised, or a list that is not in the form declared.
    """
    source = Path(source)
    if layout != "auto" and layout not in LAYOUTS:
        raise ConfigError(f"`layout` must be auto or one of {', '.join(LAYOUTS)}, got {layout!r}")
    if not source.exists():
        raise DatasetError("a data set's folder or list was expected here, but there is none", source)
    chosen = _recognise(source) if layout == "auto" else layout
    if chosen == _PACK:
        return sorted(pack_cases(source), key=lambda case: (case["patient"], case["phase"]))
    kept = None if label_dir is None else Path(label_dir)
    return finish_cases(_ADAPTERS[chosen].list_cases(source, scheme=scheme, label_dir=kept), source=source)


def checked_datalist(source: str | Path, *, scheme: Scheme | None = None, layout: str = "auto") -> list[DatalistEntry]:
    """List the labelled cases of a data set that passes the gate: what trainings and evaluations begin with.

    Args:
        source: see `load_datalist`.
        layout: likewise.
        scheme: likewise; a text as `datalists.cases.parse_scheme` takes it does as well.

    Returns:
        The cases, with what `gate.admit` adds.

    Raises:
        ConfigError, DatasetError: see `load_datalist` and `gate.admit`.
    """
    named = parse_scheme(scheme) if isinstance(scheme, str) else scheme
    return admit(load_datalist(source, scheme=named, layout=layout), source=source)


def joined_datalist(
    sources: Sequence[str | Path], *, scheme: Scheme | None = None, layout: str = "auto"
) -> list[DatalistEntry]:
    """List the labelled cases of several data sets that each pass the gate, as one.

    Args:
        sources: data sets as `load_datalist` takes them.
        layout: as for `checked_datalist`, of each.
        scheme: likewise.

    Raises:
        ConfigError, DatasetError: see `checked_datalist`; or a patient's name is in two of them, which may be one
            patient or two.
    """
    homes: dict[str, str] = {}
    cases: list[DatalistEntry] = []
    for source in sources:
        own = checked_datalist(source, scheme=scheme, layout=layout)
        for patient in sorted({case["patient"] for case in own}):
            if patient in homes:
                raise DatasetError(
                    f"patients of data sets that are joined need different names, and {patient} is in {homes[patient]} "
                    "as well: leave one out, or list the files under other names in a table",
                    source,
                )
            homes[patient] = str(source)
        cases += own
    return cases


def _recognise(source: Path) -> str:
    """Name the one layout that fits what is there."""
    if is_pack(source):
        return _PACK
    found = [name for name, adapter in _ADAPTERS.items() if adapter.fits(source)]
    if len(found) == 1:
        return found[0]
    understood = "; ".join(f"{name}: {what}" for name, what in LAYOUTS.items())
    if found:
        raise DatasetError(f"the layout must be unambiguous, got {' and '.join(found)}; state `layout`", source)
    raise DatasetError(f"no known layout is found here; understood are {understood}", source)
