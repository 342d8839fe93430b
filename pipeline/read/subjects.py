"""A table of subjects, `subjects.csv`: sex, age, size of the body and heart rate, for images that do not state them.

Columns are `id`, `sex`, `age`, `height_cm`, `weight_kg` and `heart_rate_bpm`; all but `id` may be absent, and any field
empty. All that is wrong is told at once, before anything is computed.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.core.beat import MAX_BEAT_MS, MIN_BEAT_MS
from pipeline.core.errors import InputError, UnreadableError
from pipeline.core.images import Cine
from pipeline.core.subject import AGE_YEARS, HEIGHT_M, WEIGHT_KG, Sex, StatedSubject, Subject, is_within
from pipeline.read.archives import name_of_archive
from pipeline.read.discover import CaseFiles
from pipeline.read.formats import name_of

__all__ = ["find_subject", "with_subject", "with_subjects"]

_LOGGER = logging.getLogger(__name__)

_LIMITS = {
    "age": AGE_YEARS,
    "height_cm": (100 * HEIGHT_M[0], 100 * HEIGHT_M[1]),
    "weight_kg": WEIGHT_KG,
    "heart_rate_bpm": (60_000.0 / MAX_BEAT_MS, 60_000.0 / MIN_BEAT_MS),
}
_COLUMNS = ("id", "sex", *_LIMITS)
_SEXES: dict[str, Sex] = {"f": "F", "female": "F", "m": "M", "male": "M"}
_TOLD = 10
"""Names told in one sentence."""


@dataclass(frozen=True)
class _Row:
    id: str
    stated: StatedSubject


def with_subjects(cases: Sequence[CaseFiles], table: Path) -> list[CaseFiles]:
    """Give each case what the table states of its subject.

    An id is a case's name, a part of its path, or what such a part begins with before a `_` (`1234567` is
    `1234567_20209_2_0.zip`). The first of these that fits counts, and one id may be of several studies. Rows without a
    case and cases without a row are told as warnings.

    Raises:
        InputError: what cannot be read, is impossible, is there twice, or of which it is open whose it is; or no row
            fits any case. One sentence each.
    """
    rows, faults = _read(table)
    found = [_matches(rows, case.name, path) for case, path in zip(cases, _below(cases), strict=True)]
    faults += [
        f"{case.name} must have one row, got those of {_list(row.id for row in matches)}"
        for case, matches in zip(cases, found, strict=True)
        if len(matches) > 1
    ]
    if rows and not any(found):
        faults.append(f"at least one id must be of a case, got {_list(row.id for row in rows)} for {_names(cases)}")
    _refuse(faults, table)
    used = {row.id for matches in found for row in matches}
    if without_case := [row.id for row in rows if row.id not in used]:
        _LOGGER.warning("no case here has the id %s of %s", _list(without_case), table)
    if without_row := [case for case, matches in zip(cases, found, strict=True) if not matches]:
        _LOGGER.warning("%s has no row for %s", table, _names(without_row))
    return [
        replace(case, subject=matches[0].stated) if matches else case
        for case, matches in zip(cases, found, strict=True)
    ]


def find_subject(table: Path, *, name: str, path: Path | None) -> StatedSubject:
    """What the table states of one case; rows of others are no matter.

    Args:
        table: the CSV file.
        name: of the case.
        path: of its images, where it is known.

    Raises:
        InputError: what cannot be read or is impossible, or not one row fits.
    """
    rows, faults = _read(table)
    matches = _matches(rows, name, path or Path(name))
    if not faults and len(matches) != 1:
        faults.append(f"{name} must have one row, got {_list(row.id for row in matches) or 'none'}")
    _refuse(faults, table)
    return matches[0].stated


def with_subject(cine: Cine, stated: Subject | None) -> Cine:
    """Give a cine what the user states of its subject. Where the header says otherwise, that is noted, and not taken.

    Args:
        cine: as it was read.
        stated: values of `None` leave what the header says.
    """
    if stated is None or stated == Subject():
        return cine
    facts, height_m = cine.facts, None if stated.height_cm is None else stated.height_cm / 100
    values = {"sex": stated.sex, "age_years": stated.age_years, "height_m": height_m, "weight_kg": stated.weight_kg}
    given: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    other = [
        "another age" if key == "age_years" else f"{key.split('_')[0]} {getattr(facts, key)}"  # see `identity.conceal`
        for key, value in given.items()
        if getattr(facts, key) is not None and _differs(getattr(facts, key), value, key)
    ]
    words = ", ".join(key.split("_")[0] for key in given)
    note = f"{words} as the table of subjects states"
    note += f"; the images' header says {', '.join(other)}, which is not taken" if other else ""
    return replace(cine, facts=replace(facts, **given), notes=(*cine.notes, note))


def _differs(header: Sex | float, given: Sex | float, key: str) -> bool:
    """By more than rounding: half a centimetre, half a kilogram, a year."""
    if isinstance(header, str) or isinstance(given, str):
        return header != given
    return abs(header - given) > {"height_m": 0.005, "weight_kg": 0.5}.get(key, 1.0)


def _read(table: Path) -> tuple[list[_Row], list[str]]:
    """The rows that are right, and a sentence for each that is not."""
    lines = _lines(table)
    header = [cell.strip().casefold().removesuffix("_years") for cell in (lines[0] if lines else [])]
    if "id" not in header or len(set(header)) < len(header):
        return [], [f"a table of subjects must have the columns {', '.join(_COLUMNS)} once each, got {_list(header)}"]
    if unknown := [name for name in header if name not in _COLUMNS]:
        _LOGGER.warning("%s: %s is not used; columns are %s", table, _list(unknown), ", ".join(_COLUMNS))
    rows, faults = [], []
    for number, line in enumerate(lines[1:], start=2):
        if any(cell.strip() for cell in line):
            cells = dict(zip(header, (cell.strip() for cell in line), strict=False))
            row, wrong = _row(cells)
            rows.append(row)
            faults += [f"line {number}{f' ({row.id})' if row.id else ''}: {sentence}" for sentence in wrong]
    counts = Counter(row.id.casefold() for row in rows)
    faults += [f"{name!r} must have one row, got {n}" for name, n in counts.items() if n > 1]
    return rows, faults


def _lines(table: Path) -> list[list[str]]:
    """Fields of a CSV file; divided by commas, semicolons or tabs, whichever its first line has most of."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnreadableError(f"a table of subjects was expected here ({error.strerror})", table) from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"a table of subjects must be a CSV file in UTF-8 ({error})", table) from error
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        return list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UnreadableError(f"a table of subjects must be valid CSV ({error})", table) from error


def _row(cells: dict[str, str]) -> tuple[_Row, list[str]]:
    faults = [] if cells.get("id") else ["`id` must be stated"]
    sex = cells.get("sex", "")
    if sex and sex.casefold() not in _SEXES:
        faults.append(f"`sex` must be F or M, got {sex!r}")
    numbers = {name: _number(cells.get(name, ""), name, faults) for name in _LIMITS}
    subject = Subject(_SEXES.get(sex.casefold()), numbers["age"], numbers["height_cm"], numbers["weight_kg"])
    return _Row(cells.get("id", ""), StatedSubject(subject, numbers["heart_rate_bpm"])), faults


def _number(text: str, name: str, faults: list[str]) -> float | None:
    """A decimal comma is read, too."""
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    low, high = _LIMITS[name]
    if is_within(value, (low, high)):
        return value
    faults.append(f"`{name}` must be {low:g} to {high:g}, got {text!r}")
    return None


def _below(cases: Sequence[CaseFiles]) -> list[Path]:
    """The cases' paths below what all of them share, which tells none from another."""
    paths = [case.path.absolute() for case in cases]
    if len(paths) < 2:
        return paths
    shared = os.path.commonpath(paths)
    return [path.relative_to(shared) for path in paths]


def _matches(rows: Iterable[_Row], name: str, path: Path) -> list[_Row]:
    """The rows of a case: those of the closest kind of match."""
    parts = {name_of(Path(name_of_archive(Path(part)))).casefold() for part in path.parts}
    by_name, by_part, by_beginning = [], [], []
    for row in rows:
        own = row.id.casefold()
        if own and own == name.casefold():
            by_name.append(row)
        elif own and own in parts:
            by_part.append(row)
        elif own and any(part.startswith(f"{own}_") for part in (name.casefold(), *parts)):
            by_beginning.append(row)
    return by_name or by_part or by_beginning


def _refuse(faults: Sequence[str], table: Path) -> None:
    if faults:
        raise InputError("\n".join([f"a table of subjects must be right, got {len(faults)} fault(s)", *faults]), table)


def _names(cases: Iterable[CaseFiles]) -> str:
    return _list(case.name for case in cases)


def _list(words: Iterable[str]) -> str:
    words = list(words)
    return ", ".join(words[:_TOLD]) + (f" and {len(words) - _TOLD} more" if len(words) > _TOLD else "")
