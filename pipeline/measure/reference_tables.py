"""Tables of published reference values, the package's own and a centre's.

A value compares only with values measured in the same way: papillary muscles that count as wall make a left ventricle
smaller and heavier than if they count as cavity, so every row says which.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pipeline.core.errors import ConfigError
from pipeline.core.measurements import Papillary
from pipeline.core.quantities import QUANTITIES

__all__ = ["ReferenceRow", "read_reference_table", "shipped_references"]

_LIMIT_SDS = 1.96
"""Limits lie so many standard deviations from the mean where a source states these: 95 % of the group."""

_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
_NUMBERS = ("age_from", "age_to", "mean", "sd", "lower", "upper")


@dataclass(frozen=True)
class ReferenceRow:
    """Reference values of one quantity for one sex and age band: mean and SD, or limits.

    Attributes:
        quantity: one of `core.quantities.QUANTITIES`.
        sex: "F" or "M".
        age_from: youngest in completed years; `None` without a limit.
        age_to: oldest, likewise.
        mean: of the group; `None` where limits alone are stated.
        sd: its standard deviation, likewise.
        lower: limit; `None` for the mean less 1.96 SD, or for none.
        upper: likewise.
        papillary: what papillary muscles and trabeculae count as.
        source: citation.
    """

    quantity: str
    sex: Literal["F", "M"]
    age_from: float | None
    age_to: float | None
    mean: float | None
    sd: float | None
    lower: float | None
    upper: float | None
    papillary: Papillary
    source: str

    def __post_init__(self) -> None:
        if fault := _fault(self):
            raise ConfigError(f"a row of reference values {fault}")

    def limits(self) -> tuple[float | None, float | None]:
        """The reference range, either end `None` where there is none."""
        if self.mean is None or self.sd is None:
            return self.lower, self.upper
        low, high = (self.mean + sign * _LIMIT_SDS * self.sd for sign in (-1, 1))
        return (low if self.lower is None else self.lower), (high if self.upper is None else self.upper)


@lru_cache(maxsize=1)
def shipped_references() -> tuple[ReferenceRow, ...]:
    """The reference values of this package, see `docs/references.md`."""
    text = (resources.files("pipeline.measure") / "tables" / "references.csv").read_text(encoding="utf-8")
    return tuple(_read_rows(text, "references.csv"))


def read_reference_table(path: str | Path) -> tuple[ReferenceRow, ...]:
    """Read a centre's own reference values.

    Args:
        path: a CSV with a header of `ReferenceRow`'s names, in any order; a field may be empty where it can be `None`.
            Separated by commas, or by semicolons or tabs, where fractions may have a decimal comma.

    Raises:
        ConfigError: no such file, no such table, or a row that makes no sense; the message names file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"a table of reference values must be a readable CSV file in UTF-8: {error}") from error
    return tuple(_read_rows(text, str(path)))


def _read_rows(text: str, name: str) -> Iterator[ReferenceRow]:
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=separator)
    wanted = [field.name for field in fields(ReferenceRow)]
    found = [(column or "").strip() for column in reader.fieldnames or ()]
    if sorted(found) != sorted(wanted):
        raise ConfigError(
            f"a table of reference values must have the columns {', '.join(wanted)}, got {', '.join(found)} [{name}]"
        )
    for line in reader:
        try:
            if any(line.values()):
                yield _row(line, decimal_comma=separator != ",")
        except ConfigError as error:
            raise ConfigError(f"{error} [{name}, line {reader.line_num}]") from error


def _row(line: Mapping[str | None, str | list[str] | None], *, decimal_comma: bool) -> ReferenceRow:
    if None in line:
        raise ConfigError(f"a row of reference values must have a field a column, got also {line[None]}; quote texts")
    known: dict[str, Any] = {str(key).strip(): str(value or "").strip() for key, value in line.items()}
    for key in _NUMBERS:
        text = known[key].replace(",", ".") if decimal_comma else known[key]
        try:
            known[key] = float(text) if text else None
        except ValueError as error:
            raise ConfigError(f"`{key}` of reference values must be a number or empty, got {text!r}") from error
    sex = _SEXES.get(known["sex"].lower(), known["sex"])
    return ReferenceRow(**known | {"sex": sex, "papillary": known["papillary"].lower()})


def _fault(row: ReferenceRow) -> str | None:
    """What is wrong with a row, in words."""
    numbers = [getattr(row, key) for key in _NUMBERS]
    if row.quantity not in QUANTITIES:
        return f"must be of one of {', '.join(QUANTITIES)}, got {row.quantity!r}"
    if row.sex not in ("F", "M"):
        return f"must be of sex F or M, got {row.sex!r}"
    if row.papillary not in ("cavity", "mass"):
        return f"must count papillary muscles as cavity or mass, got {row.papillary!r}"
    if not row.source:
        return "must name its source"
    if not all(number is None or math.isfinite(number) for number in numbers):
        return f"must have finite numbers, got {numbers}"
    if (row.mean is None) != (row.sd is None) or (row.sd is not None and row.sd <= 0):
        return f"must have a mean and an SD above 0 or neither, got {row.mean} and {row.sd}"
    if row.mean is None and row.lower is None and row.upper is None:
        return "must have a mean and SD, or limits"
    if not _rises(row.limits()) or not _rises((row.age_from, row.age_to), strictly=False):
        return f"must have limits and ages that rise, got {row.limits()} and {(row.age_from, row.age_to)}"
    return None


def _rises(ends: Iterable[float | None], *, strictly: bool = True) -> bool:
    known = [end for end in ends if end is not None]
    return len(known) < 2 or known[0] < known[1] or (not strictly and known[0] == known[1])
