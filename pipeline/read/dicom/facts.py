"""What the header says beside the pixels, as far as it can be so: scanner, rate, sex, age, height, weight."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
from pydicom.dataset import FileDataset

from pipeline.core.beat import is_credible_beat
from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.core.images import StudyFacts
from pipeline.core.quiet import quiet_dicom
from pipeline.core.subject import AGE_YEARS, BMI_KG_M2, HEIGHT_M, WEIGHT_KG, Sex, is_within
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.headers import read_header, text

__all__ = ["read_facts"]

_TAGS = (
    *("Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "PatientSize", "PatientWeight"),
    *("PatientSex", "PatientAge", "PatientBirthDate", "StudyDate"),
)
_AGE = re.compile(r"(\d{1,3})([DWMY])")  # PS3.5 6.2, "018M"
_AGES_IN_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


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
        stated = {keyword: _stated(header.elements, keyword) for keyword in _TAGS}
    height_m, about_height = _height_m(_number(stated["PatientSize"]))
    weight_kg, about_weight = _weight_kg(_number(stated["PatientWeight"]))
    height_m, weight_kg, about_build = _build(height_m, weight_kg)
    age_years, about_age = _age_years(*(stated[keyword] or "" for keyword in _TAGS[-3:]))
    rate, about_rate = _heart_rate_bpm(float(np.mean(rates)) if rates else None)
    facts = StudyFacts(
        study_uid=first.study_uid or None,
        series_uid=first.series_uid or None,
        manufacturer=stated["Manufacturer"],
        model=stated["ManufacturerModelName"],
        field_strength_t=_field_strength_t(_number(stated["MagneticFieldStrength"])),
        heart_rate_bpm=rate,
        height_m=height_m,
        weight_kg=weight_kg,
        sex=_sex(stated["PatientSex"]),
        age_years=age_years,
    )
    return facts, (*about_rate, *about_height, *about_weight, *about_build, *about_age)


_FIELD_T = (0.01, 25.0)
_GAUSS = 10_000.0
"""In a tesla. Some consoles state the field in gauss."""

Checked = tuple[float | None, tuple[str, ...]]


def _stated(elements: FileDataset, keyword: str) -> str | None:
    """The first value of an element, which is as good as absent where it cannot be read: no fact is worth a study."""
    try:
        return text(elements, keyword)
    except HeaderError:
        return None


def _number(stated: str | None) -> float | None:
    try:
        value = float(stated or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _build(height_m: float | None, weight_kg: float | None) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Height and weight, unless no body has both."""
    if height_m is None or weight_kg is None or is_within(weight_kg / height_m**2, BMI_KG_M2):
        return height_m, weight_kg, ()
    told = f"PatientSize and PatientWeight say {height_m:g} m and {weight_kg:g} kg, which no body has"
    return None, None, (f"{told}: nothing is indexed by them",)


def _height_m(stated: float | None) -> Checked:
    """PatientSize (0010,1020) is in metres; consoles often write cm, and 0 where nobody asked."""
    if not stated:
        return None, ()
    if is_within(stated, HEIGHT_M):
        return stated, ()
    if is_within(stated / 100, HEIGHT_M):
        return stated / 100, (f"PatientSize is in metres, got {stated:g}: taken for cm",)
    return None, (f"PatientSize says {stated:g} m, which no body has: nothing is indexed by it",)


def _weight_kg(stated: float | None) -> Checked:
    if not stated:
        return None, ()
    if is_within(stated, WEIGHT_KG):
        return stated, ()
    return None, (f"PatientWeight says {stated:g} kg, which no body has: nothing is indexed by it",)


def _heart_rate_bpm(stated: float | None) -> Checked:
    if stated is None or is_credible_beat(60_000.0 / stated):
        return stated, ()
    return None, (f"the header's heart rate of {stated:g} a minute is none that a heart has: output is unknown",)


def _sex(stated: str | None) -> Sex | None:
    """None for what reference values do not know: "O" is said of animals' and phantoms' scans as well."""
    return {"F": "F", "M": "M"}.get((stated or "").upper())  # type: ignore[return-value]


def _age_years(age: str, birth: str, study: str) -> Checked:
    """PatientAge, or the years between birth and study: who removes dates of birth writes one that is nobody's."""
    stated = _AGE.fullmatch(age.upper())
    by_dates = _years_between(_date(birth), _date(study))
    years = by_dates if stated is None else int(stated[1]) / _AGES_IN_A_YEAR[stated[2]]
    doubt = ("PatientAge and the dates of birth and study disagree by over a year: PatientAge is taken",)
    if years is None:
        return None, ()
    if not is_within(years, AGE_YEARS):
        return None, (f"the header says an age of {years:.0f} years, which nobody has: it is not used",)
    return round(years, 2), doubt if by_dates is not None and abs(by_dates - years) > 1 else ()


def _years_between(birth: date | None, study: date | None) -> float | None:
    """Whole years, as one tells an age, and of children under two the part of a year.

    >>> _years_between(date(1980, 6, 30), date(2020, 6, 29))
    39.0
    >>> round(_years_between(date(2019, 1, 1), date(2019, 7, 2)), 2)
    0.5
    """
    if birth is None or study is None:
        return None
    whole = study.year - birth.year - ((study.month, study.day) < (birth.month, birth.day))
    return (study - birth).days / 365.25 if 0 <= whole < 2 else float(whole)


def _date(stated: str) -> date | None:
    try:
        return datetime.strptime(stated.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def _field_strength_t(stated: float | None) -> float | None:
    tesla = next((value for value in (stated, (stated or 0.0) / _GAUSS) if value and is_within(value, _FIELD_T)), None)
    return None if tesla is None else round(tesla, 2)
