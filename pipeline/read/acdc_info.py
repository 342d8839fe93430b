"""What ACDC's `Info.cfg` beside a patient's images says: height, weight, and which frames are ED and ES."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import DatasetError
from pipeline.core.subject import HEIGHT_M, WEIGHT_KG, is_within

__all__ = ["INFO", "PatientInfo", "patient_info", "read_info"]

INFO = "Info.cfg"


@dataclass(frozen=True)
class PatientInfo:
    """Facts of a patient, each `None` where the file does not state it, or states what cannot be.

    Attributes:
        height_m: of the body.
        weight_kg: likewise.
        ed_frame: frame of end-diastole, from 1.
        es_frame: frame of end-systole, from 1.
        notes: a sentence for each value that is not used.
    """

    height_m: float | None = None
    weight_kg: float | None = None
    ed_frame: int | None = None
    es_frame: int | None = None
    notes: tuple[str, ...] = ()


def read_info(path: Path) -> dict[str, str]:
    """`Key: value` lines as a dict.

    Raises:
        DatasetError: it is no text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{INFO} must be a text of `Key: value` lines ({error})", path) from error
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    return {key.strip(): value.strip() for key, value in pairs}


def patient_info(path: Path) -> PatientInfo:
    """Read the facts. What cannot be is left out with a note, for a picture is no worse for it."""
    try:
        stated = read_info(path)
    except DatasetError as error:
        return PatientInfo(notes=(str(error),))
    notes: list[str] = []
    height_m = _number(stated, "Height", (100 * HEIGHT_M[0], 100 * HEIGHT_M[1]), notes)
    weight_kg = _number(stated, "Weight", WEIGHT_KG, notes)
    ed, es = (int(stated[key]) if stated.get(key, "").isdigit() else None for key in ("ED", "ES"))
    if ed is None or es is None or ed == es:
        ed = es = None
    return PatientInfo(None if height_m is None else round(height_m / 100, 4), weight_kg, ed, es, tuple(notes))


def _number(stated: dict[str, str], key: str, limits: tuple[float, float], notes: list[str]) -> float | None:
    if key not in stated:
        return None
    try:
        value = float(stated[key])
    except ValueError:
        value = math.nan
    if is_within(value, limits):
        return value
    notes.append(f"{INFO} states a {key} of {stated[key]!r}, which no body has: it is not used")
    return None
