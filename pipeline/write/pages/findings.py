"""Text and numbers of a report: numbers and flags, taken from the measurements.

Values that were not measured are left out or shown as unknown. Nothing is computed here. Phases and slices count from 0
in the measurements and from 1 in the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core.certainty import Interval
from pipeline.core.labels import LV, RV, STRUCTURES
from pipeline.core.measurements import Flag, Measurements, gravest_first

__all__ = [
    "Confidence",
    "FlagRow",
    "Headline",
    "NumberRow",
    "blood_rows",
    "confidences",
    "flags",
    "flatten",
    "headlines",
    "number_rows",
    "papillary_sentence",
    "phase_marks",
    "verdict",
]

_ROWS = (
    ("End-diastolic volume", "edv_ml", "ml", 1),
    ("End-systolic volume", "esv_ml", "ml", 1),
    ("Stroke volume", "sv_ml", "ml", 1),
    ("Ejection fraction", "ef_percent", "%", 1),
    ("Cardiac output", "co_l_per_min", "l/min", 2),
    ("Peak ejection rate", "peak_ejection_rate_ml_per_s", "ml/s", 0),
    ("Peak filling rate", "peak_filling_rate_ml_per_s", "ml/s", 0),
)


_BLOOD_ROWS = (
    ("EDV, blood alone", "edv_ml", "ml"),
    ("ESV, blood alone", "esv_ml", "ml"),
    ("SV, blood alone", "sv_ml", "ml"),
    ("EF, blood alone", "ef_percent", "%"),
    ("Mass with papillary muscles", "myocardial_mass_g", "g"),
)


@dataclass(frozen=True)
class Headline:
    """A main number: name, value and unit; its value per square metre of body surface and its interval, where known."""

    name: str
    value: float | None
    unit: str
    per_m2: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class NumberRow:
    """A row of the table of function. Unknown values are `None`.

    Attributes:
        name: the quantity.
        unit: of `left` and `right`. The others are per square metre of body surface.
        digits: decimals shown.
        left: of the left ventricle.
        right: of the right ventricle.
        left_indexed: `left` by body surface area.
        right_indexed: `right` by body surface area.
        left_interval: within which an expert's value lies with the calibration's probability.
        right_interval: likewise.
    """

    name: str
    unit: str
    digits: int
    left: float | None
    right: float | None = None
    left_indexed: float | None = None
    right_indexed: float | None = None
    left_interval: Interval | None = None
    right_interval: Interval | None = None


@dataclass(frozen=True)
class FlagRow:
    """A quality flag as shown, with `place` in words, empty if it concerns the whole study."""

    severity: str
    rule: str
    message: str
    place: str
    detail: str
    phase: int | None
    slice_index: int | None


@dataclass(frozen=True)
class Confidence:
    """Expected Dice of one structure at the named phases, and its lowest over all phases with that phase's number."""

    structure: str
    at: tuple[float | None, ...]
    lowest: float | None
    lowest_phase: int | None


def verdict(measured: Measurements) -> str:
    """One of "pass", "review", "fail", or "not assessed" if no rule was applied."""
    return "not assessed" if measured.quality is None else measured.quality.verdict


def phase_marks(measured: Measurements) -> dict[str, int]:
    """ED and ES -> phase (0-based), those that are known."""
    found = {"ED": measured.ed_phase, "ES": measured.es_phase}
    return {name: phase for name, phase in found.items() if phase is not None}


def headlines(measured: Measurements) -> list[Headline]:
    """The main numbers, none if function was not measured."""
    if measured.left is None or measured.right is None:
        return []
    sides = [_side_headlines(measured, "LV", LV.name), _side_headlines(measured, "RV", RV.name)]
    key, intervals = "myocardial_mass_g", measured.intervals or {}
    mass = Headline(
        "LV mass", measured.myocardial_mass_g, "g", measured.indexed.get(f"{key}_per_m2"), intervals.get(key)
    )
    return [*sides[0], mass, *sides[1]]


def _side_headlines(measured: Measurements, short: str, name: str) -> list[Headline]:
    side, intervals = measured.function(name), measured.intervals or {}

    def headline(title: str, key: str, unit: str) -> Headline:
        index, interval = f"{name}_{key}", intervals.get(f"{name}_{key}")
        return Headline(
            f"{short} {title}", getattr(side, key, None), unit, measured.indexed.get(f"{index}_per_m2"), interval
        )

    return [headline("EF", "ef_percent", "%"), headline("EDV", "edv_ml", "ml"), headline("ESV", "esv_ml", "ml")]


def number_rows(measured: Measurements) -> list[NumberRow]:
    """Function of both ventricles and the mass, none if function was not measured."""
    left, right, indexed, intervals = measured.left, measured.right, measured.indexed, measured.intervals or {}
    if left is None or right is None:
        return []

    def of(side: str, key: str) -> float | None:
        return indexed.get(f"{side}_{key}_per_m2")

    rows = [
        NumberRow(
            name,
            unit,
            digits,
            *(getattr(left, key), getattr(right, key), of(LV.name, key), of(RV.name, key)),
            *(intervals.get(f"{side}_{key}") for side in (LV.name, RV.name)),
        )
        for name, key, unit, digits in _ROWS
    ]
    mass, per_m2 = measured.myocardial_mass_g, indexed.get("myocardial_mass_g_per_m2")
    own = intervals.get("myocardial_mass_g")
    return [*rows, NumberRow("Myocardial mass at ED", "g", 1, mass, None, per_m2, None, own)]


def blood_rows(measured: Measurements) -> list[NumberRow]:
    """The left ventricle with papillary muscles and trabeculae as muscle, where they were told and count as cavity."""
    blood = measured.blood
    if blood is None or measured.papillary == "mass":
        return []
    return [NumberRow(name, unit, 1, getattr(blood, key)) for name, key, unit in _BLOOD_ROWS]


def papillary_sentence(measured: Measurements) -> str | None:
    """What papillary muscles count as, for below the numbers; `None` where they were not told from blood."""
    if measured.papillary == "mass":
        return (
            "Papillary muscles and trabeculae, told by their brightness, count as muscle in these numbers. Contours "
            "and wall thickness have them in the cavity."
        )
    if measured.blood is None:
        return None
    return (
        "Blood alone: papillary muscles and trabeculae, told by their brightness, count as muscle. All other numbers "
        "count them as cavity."
    )


def flags(measured: Measurements) -> list[FlagRow]:
    """Quality flags, gravest first, otherwise in their own order."""
    return [] if measured.quality is None else [_flag_row(flag) for flag in gravest_first(measured.quality.flags)]


def confidences(measured: Measurements) -> list[Confidence]:
    """Expected Dice of each structure at ED and ES, or at the one phase, none if it was not estimated."""
    shown = list(phase_marks(measured).values()) or [0]
    rows = []
    for structure in STRUCTURES:
        values: Sequence[float | None] = (measured.confidence or {}).get(structure.name) or ()
        known = [(value, phase) for phase, value in enumerate(values) if value is not None]
        if values:
            lowest, phase = min(known) if known else (None, None)
            rows.append(Confidence(structure.name, tuple(values[n] for n in shown), lowest, phase))
    return rows


def flatten(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, text).

    >>> flatten({"device": None, "view": {"flip": True, "pixels_mm": [1.25, 1.25]}})
    [('device', 'none'), ('view.flip', 'true'), ('view.pixels_mm', '1.25, 1.25')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            rows += flatten(value, f"{name}.")
        else:
            items = value if isinstance(value, list | tuple) else [value]
            rows.append((name, ", ".join(_plain(item) for item in items)))
    return rows


def _plain(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _flag_row(flag: Flag) -> FlagRow:
    places = [("phase", flag.phase), ("slice", flag.slice)]
    details = [("value", flag.value), ("threshold", flag.threshold)]
    return FlagRow(
        severity=flag.severity,
        rule=flag.rule,
        message=flag.message,
        place=", ".join(f"{name} {n + 1}" for name, n in places if n is not None),
        detail=", ".join(f"{name} {number:.3g}" for name, number in details if number is not None),
        phase=flag.phase,
        slice_index=flag.slice,
    )
