"""What the header says beside the pixels: the scanner, and rate, height, weight, sex and age as far as bodies go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
from pydicom.dataset import Dataset

from pipeline.core.beat import is_credible_beat
from pipeline.core.errors import UnreadableError
from pipeline.core.images import Sex, StudyFacts
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.headers import number, read_header, text

__all__ = ["AGE_YEARS", "HEIGHT_M", "WEIGHT_KG", "read_facts"]

HEIGHT_M = (0.25, 2.6)
"""Of a body, preterm infants to the tallest adults. PatientSize (0010,1020) is in metres; consoles often write cm."""

WEIGHT_KG = (0.4, 450.0)
"""Likewise; PatientWeight (0010,1030) is in kg. Zero, which means that nobody asked, is none of either."""

AGE_YEARS = (0.0, 125.0)
"""Of a body. PatientAge (0010,1010) is three digits and a unit: 045Y, 006M, 012W or 003D."""

_TAGS = (
    *("Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "PatientSize", "PatientWeight"),
    *("PatientSex", "PatientAge", "PatientBirthDate", "StudyDate"),
)
_SEXES: dict[str, Sex] = {"F": "female", "M": "male", "O": "other"}
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
_FIELD_T = (0.01, 25.0)
_GAUSS = 10_000.0
"""In a tesla. Some consoles state the field in gauss."""


def read_facts(frames: Sequence[Sequence[Frame]]) -> tuple[StudyFacts, tuple[str, ...]]:
    """Read the facts of a cine from its frames and the first one's file.

    Args:
        frames: `frames[t][z]`.

    Returns:
        The facts, `None` where the header is silent or says what no body is; and a note on each such value.

    Raises:
        UnreadableError: the file is no DICOM any more.
    """
    first = frames[0][0]
    rates = [frame.heart_rate_bpm for row in frames for frame in row if frame.heart_rate_bpm]
    with quiet_dicom():
        header = read_header(first.path, tags=_TAGS)
        if header is None:
            raise UnreadableError("a file must stay readable while it is read, got no DICOM any more", first.path)
        height_m, about_height = _height_m(number(header.elements, "PatientSize"))
        weight_kg, about_weight = _weight_kg(number(header.elements, "PatientWeight"))
        age_years, about_age = _age_years(header.elements)
    rate, about_rate = _heart_rate_bpm(float(np.mean(rates)) if rates else None)
    facts = StudyFacts(
        study_uid=first.study_uid or None,
        series_uid=first.series_uid or None,
        manufacturer=text(header.elements, "Manufacturer"),
        model=text(header.elements, "ManufacturerModelName"),
        field_strength_t=_field_strength_t(number(header.elements, "MagneticFieldStrength")),
        sex=_SEXES.get((text(header.elements, "PatientSex") or "").upper()),
        age_years=age_years,
        heart_rate_bpm=rate,
        height_m=height_m,
        weight_kg=weight_kg,
    )
    return facts, (*about_rate, *about_height, *about_weight, *about_age)


Checked = tuple[float | None, tuple[str, ...]]


def _height_m(stated: float | None) -> Checked:
    if not stated:
        return None, ()
    if _is_within(stated, HEIGHT_M):
        return stated, ()
    if _is_within(stated / 100, HEIGHT_M):
        return stated / 100, (f"PatientSize is in metres, got {stated:g}: taken for cm",)
    return None, (f"PatientSize says {stated:g} m, which no body has: nothing is indexed by it",)


def _weight_kg(stated: float | None) -> Checked:
    if not stated:
        return None, ()
    if _is_within(stated, WEIGHT_KG):
        return stated, ()
    return None, (f"PatientWeight says {stated:g} kg, which no body has: nothing is indexed by it",)


def _heart_rate_bpm(stated: float | None) -> Checked:
    if stated is None or is_credible_beat(60_000.0 / stated):
        return stated, ()
    return None, (f"the header's heart rate of {stated:g} a minute is none that a heart has: output is unknown",)


def _age_years(header: Dataset) -> Checked:
    """Stated, or counted from the birth date. De-identified files have zeros for dates, which count as silence."""
    stated = text(header, "PatientAge") or ""
    if match := re.fullmatch(r"0*(\d{1,3})([DWMY])", stated.upper()):
        years = int(match[1]) * _DAYS[match[2]] / _DAYS["Y"]
        source = f"PatientAge says {stated}"
    else:
        born, seen = (_date(text(header, keyword)) for keyword in ("PatientBirthDate", "StudyDate"))
        if born is None or seen is None:
            return None, ()
        years = (seen - born).days / _DAYS["Y"]
        source = f"the birth date gives an age of {years:.0f} years"
    return (years, ()) if _is_within(years, AGE_YEARS) else (None, (f"{source}, which no body has: it is left out",))


def _date(stated: str | None) -> date | None:
    try:
        return datetime.strptime(stated or "", "%Y%m%d").date()
    except ValueError:
        return None


def _field_strength_t(stated: float | None) -> float | None:
    tesla = next((value for value in (stated, (stated or 0.0) / _GAUSS) if value and _is_within(value, _FIELD_T)), None)
    return None if tesla is None else round(tesla, 2)


def _is_within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
