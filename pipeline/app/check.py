"""What `cmr check` says of a data set: a table of its cases, every fault with its mending, what is worth a look."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.core.labels import STRUCTURES
from pipeline.read.datalists.cases import Scheme
from pipeline.read.datasets import load_datalist
from pipeline.read.findings import CheckedCase, faults_of
from pipeline.read.gate import check_cases
from pipeline.train.splits import find_twins

__all__ = ["CheckedData", "as_json", "as_text", "check_data"]


@dataclass(frozen=True)
class CheckedData:
    """A data set that was read from end to end.

    Attributes:
        source: its folder, list or pack.
        cases: what is known of each case.
        twins: groups of patients who share an image.
    """

    source: Path
    cases: Sequence[CheckedCase]
    twins: Sequence[frozenset[str]]

    @property
    def n_bad(self) -> int:
        """Cases with a fault."""
        return sum(bool(one.faults) for one in self.cases)


def check_data(source: Path, *, scheme: Scheme | None = None, layout: str = "auto") -> CheckedData:
    """Read every image and label of a data set.

    Args:
        source: data set, as for a training.
        scheme: of the labels, where the data set states none.
        layout: see `read.datasets.load_datalist`.

    Raises:
        ConfigError, DatasetError: what `read.datasets.load_datalist` refuses; faults of files are told, not raised.
    """
    cases = check_cases(load_datalist(source, scheme=scheme, layout=layout), images=True)
    readable = [one.case for one in cases if not any(fault.about == "image" for fault in one.faults)]
    return CheckedData(source, cases, find_twins(readable))


def as_json(checked: CheckedData) -> dict[str, Any]:
    """The whole of it as plain data."""
    return {
        "data": str(checked.source),
        "n_cases": len(checked.cases),
        "n_patients": len({one.case["patient"] for one in checked.cases}),
        "n_cases_with_faults": checked.n_bad,
        "twins": [sorted(group) for group in checked.twins],
        "cases": [_case_json(one) for one in checked.cases],
    }


def as_text(checked: CheckedData) -> str:
    """The table, then faults one by one, then notes, those that say the same together."""
    faults, notes = faults_of(checked.cases), _notes(checked)
    blocks = [
        _align([_HEADINGS, *(_row(one) for one in checked.cases)]),
        *([_list("faults", faults)] if faults else []),
        *([_list("notes", notes)] if notes else []),
        _verdict(checked),
    ]
    return "\n\n".join(blocks)


_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_HEADINGS = ("case", "voxels", "phases", "spacing, mm", "drawn in", "structures", "")


def _row(one: CheckedCase) -> tuple[str, ...]:
    name = f"{one.case['patient']} {one.case['phase']}".strip()
    state = "FAULT" if one.faults else "note" if one.notes else "ok"
    structures = " ".join(s.short for s in STRUCTURES if s.value in one.structures)
    if one.shape is None:
        spacing = one.case.get("spacing")
        return name, "-", "-", _spell(spacing) if spacing else "-", "-", structures or "-", state
    *voxels, n_phases = one.shape
    drawn = "all" if len(one.drawn_phases) == n_phases else " ".join(map(str, one.drawn_phases)) or "none"
    return name, _spell(voxels), str(n_phases), _spell(one.spacing_mm or ()), drawn, structures or "-", state


def _notes(checked: CheckedData) -> list[str]:
    """Notes that differ in their numbers alone are one note, told of the case with the largest."""
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in checked.cases:
        for note in one.notes:
            name = f"{one.case['patient']} {one.case['phase']}".strip()
            alike[_NUMBER.sub("#", f"{note.about}: {note.text}")].append((name, f"{note.about}: {note.text}"))
    told = []
    for said in alike.values():
        name, text = max(said, key=lambda one: [float(number) for number in _NUMBER.findall(one[1])])
        told.append(f"{name}{f' and {len(said) - 1} more' if len(said) > 1 else ''}: {text}")
    return [
        *told,
        *(f"{' and '.join(sorted(group))} share an image: a split keeps them together" for group in checked.twins),
    ]


def _verdict(checked: CheckedData) -> str:
    n_patients = len({one.case["patient"] for one in checked.cases})
    counted = f"{len(checked.cases)} cases of {n_patients} patients"
    if checked.n_bad:
        return f"{counted}: {checked.n_bad} cannot be used as they are"
    return f"{counted}: all can be used"


def _case_json(one: CheckedCase) -> dict[str, Any]:
    case = one.case
    return {
        "patient": case["patient"],
        "phase": case["phase"],
        "image": str(case["image"]),
        "label": str(case["label"]),
        "scheme": case["scheme"],
        "shape": None if one.shape is None else list(one.shape),
        "spacing_mm": None if one.spacing_mm is None else list(one.spacing_mm),
        "drawn_phases": list(one.drawn_phases),
        "structures": [s.short for s in STRUCTURES if s.value in one.structures],
        "drawn_structures": list(case.get("drawn_structures") or [s.short for s in STRUCTURES]),
        "faults": [asdict(finding) for finding in one.faults],
        "notes": [asdict(finding) for finding in one.notes],
    }


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _list(heading: str, lines: Iterable[str]) -> str:
    return "\n".join([heading, *(f"  {line}" for line in lines)])


def _spell(numbers: Iterable[float]) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)
