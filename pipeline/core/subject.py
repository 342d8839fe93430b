"""Who was scanned, as far as measurements are read against it: sex, age and the size of the body. Nobody's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

__all__ = ["AGE_YEARS", "BMI_KG_M2", "HEIGHT_M", "WEIGHT_KG", "Sex", "StatedSubject", "Subject", "is_within"]

Sex = Literal["F", "M"]

AGE_YEARS = (0.0, 125.0)
"""Of anybody; nobody is known to have lived longer than 122 years."""

HEIGHT_M = (0.25, 2.6)
"""Of a body, preterm infants to the tallest adults."""

WEIGHT_KG = (0.4, 450.0)
"""Likewise."""

BMI_KG_M2 = (6.0, 150.0)
"""Weight over the square of the height: of preterm infants, starving and the heaviest people."""


@dataclass(frozen=True)
class Subject:
    """The person scanned; each value `None` where neither header nor user states it.

    Attributes:
        sex: "F" or "M", by which reference values are published.
        age_years: at the time of the study.
        height_cm: of the body.
        weight_kg: likewise.
    """

    sex: Sex | None = None
    age_years: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Subject:
        """Read back what `measurements.json` holds.

        Raises:
            TypeError: the object has another form.
        """
        return cls(**{**content, "sex": cast(Sex | None, content.get("sex"))})


@dataclass(frozen=True)
class StatedSubject:
    """What a user states of a study's subject, see `read.subjects`.

    Attributes:
        subject: the person.
        heart_rate_bpm: beats a minute at the study.
    """

    subject: Subject
    heart_rate_bpm: float | None = None


def is_within(value: float, limits: tuple[float, float]) -> bool:
    """Whether a value lies between limits, both included; NaN lies nowhere.

    >>> is_within(1.72, HEIGHT_M), is_within(172, HEIGHT_M), is_within(float("nan"), HEIGHT_M)
    (True, False, False)
    """
    return limits[0] <= value <= limits[1]
