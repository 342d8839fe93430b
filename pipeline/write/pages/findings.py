"""Text and numbers of a report: facts, numbers and flags, taken from the measurements.

Values that were not measured are left out or shown as unknown. Nothing is computed here. Phases and slices count from 0
in the measurements and from 1 in the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core.labels import LV, RV, STRUCTURES
from pipeline.core.measurements import Flag, Measurements
from pipeline.core.review import Review

__all__ = [
    "Confidence",
    "FlagRow",
    "Headline",
    "NumberRow",
    "confidences",
    "flags",
    "flatten",
    "headlines",
    "number_rows",
    "phase_marks",
    "review_facts",
    "study_facts",
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
_KINDS = {"cine": "cine", "few_phases": "a few phases", "single_phase": "a single phase"}
_SOURCES = {"curve": "found from the volumes", "given": "given by the user"}
_BSA = {"mosteller": "Mosteller", "dubois": "DuBois"}


@dataclass(frozen=True)
class Headline:
    """A main number: name, value with few digits, unit."""

    name: str
    value: float | None
    unit: str


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
    """

    name: str
    unit: str
    digits: int
    left: float | None
    right: float | None
    left_indexed: float | None
    right_indexed: float | None


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
    left, right = measured.left, measured.right
    if left is None or right is None:
        return []
    return [
        Headline("LV EF", left.ef_percent, "%"),
        Headline("LV EDV", left.edv_ml, "ml"),
        Headline("LV ESV", left.esv_ml, "ml"),
        Headline("LV mass", measured.myocardial_mass_g, "g"),
        Headline("RV EF", right.ef_percent, "%"),
        Headline("RV EDV", right.edv_ml, "ml"),
        Headline("RV ESV", right.esv_ml, "ml"),
    ]


def number_rows(measured: Measurements) -> list[NumberRow]:
    """Function of both ventricles and the mass, none if function was not measured."""
    left, right, indexed = measured.left, measured.right, measured.indexed
    if left is None or right is None:
        return []

    def of(side: str, key: str) -> float | None:
        return indexed.get(f"{side}_{key}_per_m2")

    rows = [
        NumberRow(name, unit, digits, getattr(left, key), getattr(right, key), of(LV.name, key), of(RV.name, key))
        for name, key, unit, digits in _ROWS
    ]
    mass, per_m2 = measured.myocardial_mass_g, indexed.get("myocardial_mass_g_per_m2")
    return [*rows, NumberRow("Myocardial mass at ED", "g", 1, mass, None, per_m2, None)]


def study_facts(
    measured: Measurements, *, manufacturer: str | None = None, corrected: bool = False
) -> list[tuple[str, str]]:
    """Facts about the scan and the measurements, as (term, text). Unknown ones are left out."""
    facts = [("Input", _input(measured)), ("Scanner", manufacturer)]
    facts.append(("Voxels", " x ".join(f"{mm:.2f}" for mm in measured.spacing_mm) + " mm"))
    for name, phase, source in (
        ("End-diastole", measured.ed_phase, measured.ed_from),
        ("End-systole", measured.es_phase, measured.es_from),
    ):
        text = None if phase is None else f"phase {phase + 1}{_time(measured, phase)}"
        facts.append((name, f"{text}, {_SOURCES.get(source, source)}" if text and source else text))
    rate, bsa, method = measured.heart_rate_bpm, measured.bsa_m2, measured.bsa_method
    facts.append(("Heart rate", None if rate is None else f"{rate:.0f} /min"))
    facts.append(("Body surface", None if bsa is None else f"{bsa:.2f} m² ({_BSA.get(str(method), method)})"))
    facts.append(("Label map", "corrected by hand" if corrected else None))
    return [(name, text) for name, text in facts if text]


def review_facts(review: Review) -> list[tuple[str, str]]:
    """What a reader has decided, as (term, text); nothing where nobody has looked.

    >>> review_facts(Review("accepted", "AB", "2026-11-27T10:36:36Z"))
    [('Review', 'accepted by AB, 2026-11-27')]
    """
    if review.status == "unreviewed":
        return []
    by, day = f" by {review.reader}" if review.reader else "", f", {review.time[:10]}" if review.time else ""
    comment = [("Reader's comment", review.comment)] if review.comment else []
    return [("Review", f"{review.status}{by}{day}"), *comment]


def flags(measured: Measurements) -> list[FlagRow]:
    """Quality flags, most severe first, otherwise in their own order."""
    found = () if measured.quality is None else measured.quality.flags
    return sorted((_flag_row(flag) for flag in found), key=lambda flag: flag.severity != "fail")


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


def _input(measured: Measurements) -> str:
    counts = [("phase", measured.n_phases), ("slice", measured.n_slices)]
    words = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts)
    kind = _KINDS.get(measured.kind, "")
    return f"{kind}: {words}" if kind else words


def _time(measured: Measurements, phase: int) -> str:
    return "" if measured.times_ms is None else f" ({measured.times_ms[phase]:.0f} ms)"


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
