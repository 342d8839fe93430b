"""Where a measured value stands among those of healthy people of the same sex and age."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pipeline.core.measurements import Papillary
from pipeline.core.quantities import QUANTITIES
from pipeline.core.reference import Position, Reference, References
from pipeline.core.subject import Subject
from pipeline.measure.reference_tables import ReferenceRow, shipped_references

__all__ = ["compare_with_references"]


def compare_with_references(
    values: Mapping[str, float],
    subject: Subject,
    *,
    own: Sequence[ReferenceRow] = (),
    papillary: Papillary = "cavity",
) -> References:
    """Compare a study's values with those of healthy people of the same sex and age.

    Args:
        values: quantity -> value, see `core.quantities`.
        subject: whose they are.
        own: rows that come before the shipped ones; the first that fits is taken.
        papillary: what papillary muscles and trabeculae count as in the values.

    >>> rows = compare_with_references({"left_ventricle_edv_ml": 230.0}, Subject("M", 60.0)).compared
    >>> rows[0].z, rows[0].position
    (2.0, 'above')
    """
    if subject.sex is None or subject.age_years is None:
        lacking = [name for name, known in (("sex", subject.sex), ("age", subject.age_years)) if known is None]
        return References(not_compared=(f"nothing is compared without the subject's {' and '.join(lacking)}",))
    rows = (*own, *shipped_references())
    compared, reasons = [], defaultdict(list)
    for name, value in values.items():
        of_quantity = [row for row in rows if row.quantity == name]
        fitting = [row for row in of_quantity if _fits(row, subject, papillary)]
        if fitting:
            compared.append(_compare(name, value, fitting[0]))
        else:
            reasons[_why_not(of_quantity, subject, papillary)].append(QUANTITIES[name].words)
    return References(tuple(compared), tuple(f"{', '.join(words)}: {reason}" for reason, words in reasons.items()))


def _why_not(rows: Sequence[ReferenceRow], subject: Subject, papillary: Papillary) -> str:
    """Why none of a quantity's rows fits a subject of known sex and age, in words: what is wrong with the nearest."""
    if not rows:
        return "no reference values are at hand"
    alike = [row for row in rows if row.papillary == papillary]
    if not alike:
        return f"{rows[0].source} counts papillary muscles as {rows[0].papillary}, these numbers as {papillary}"
    of_sex = [row for row in alike if row.sex == subject.sex]
    if not of_sex:
        return "no reference values for this sex are at hand"
    stated = dict.fromkeys(f"{row.source} is of ages {_band(row)}" for row in of_sex)
    return f"{', '.join(stated)}; the subject's is {math.floor(subject.age_years or 0)}"


def _band(row: ReferenceRow) -> str:
    """A row's ages in words."""
    ends = (("from", row.age_from), ("to", row.age_to))
    return " ".join(f"{word} {age:g}" for word, age in ends if age is not None)


def _fits(row: ReferenceRow, subject: Subject, papillary: Papillary) -> bool:
    """Whether a row is of the subject's sex and age, in completed years, and of this convention."""
    if row.papillary != papillary or row.sex != subject.sex or subject.age_years is None:
        return False
    age = math.floor(subject.age_years)
    return (row.age_from is None or age >= row.age_from) and (row.age_to is None or age <= row.age_to)


def _compare(name: str, value: float, row: ReferenceRow) -> Reference:
    lower, upper = row.limits()
    position: Position = "within"
    if lower is not None and value < lower:
        position = "below"
    elif upper is not None and value > upper:
        position = "above"
    z = None if row.mean is None or row.sd is None else round((value - row.mean) / row.sd, 2)
    return Reference(
        quantity=name,
        value=value,
        lower=None if lower is None else round(lower, 2),
        upper=None if upper is None else round(upper, 2),
        position=position,
        mean=row.mean,
        sd=row.sd,
        z=z,
        age_from=row.age_from,
        age_to=row.age_to,
        source=row.source,
    )
