"""What a report says in words and figures: facts, numbers and flags, taken from a measurements object.

Whatever is not in the object is left out or stands as unknown: nothing is computed here, and nothing made up. Phases
and slices count from 0 in the object and from 1 in what people read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core.labels import LV, RV, STRUCTURES

__all__ = [
    "Confidence",
    "Flag",
    "Headline",
    "NumberRow",
    "confidences",
    "flags",
    "flatten",
    "headlines",
    "number_rows",
    "phase_marks",
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
    """A number that stands out: name, value with few digits, unit."""

    name: str
    value: float | None
    unit: str


@dataclass(frozen=True)
class NumberRow:
    """A row of the table of function; `None` where unknown.

    Attributes:
        name: the quantity.
        unit: of `left` and `right`; the others are by body surface, a square metre.
        digits: decimals shown.
        left: of the left ventricle. right: of the right.
        left_indexed: by body surface area. right_indexed: likewise.
    """

    name: str
    unit: str
    digits: int
    left: float | None
    right: float | None
    left_indexed: float | None
    right_indexed: float | None


@dataclass(frozen=True)
class Flag:
    """A quality flag as shown; `place` in words, empty where it concerns the whole study."""

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


def verdict(measured: Mapping[str, Any]) -> str:
    """One of "pass", "review", "fail"; "not assessed" where no rule was applied.

    >>> verdict({"quality": {"verdict": "review", "flags": []}}), verdict({})
    ('review', 'not assessed')
    """
    return str((measured.get("quality") or {}).get("verdict", "not assessed"))


def phase_marks(measured: Mapping[str, Any]) -> dict[str, int]:
    """ED and ES -> phase (0-based), those that are known.

    >>> phase_marks({"ed_phase": 0, "es_phase": 7}), phase_marks({})
    ({'ED': 0, 'ES': 7}, {})
    """
    found = {"ED": measured.get("ed_phase"), "ES": measured.get("es_phase")}
    return {name: int(phase) for name, phase in found.items() if phase is not None}


def headlines(measured: Mapping[str, Any]) -> list[Headline]:
    """The numbers looked for first; none where function was not measured."""
    if LV.name not in measured and RV.name not in measured:
        return []
    left, right = measured.get(LV.name) or {}, measured.get(RV.name) or {}
    return [
        Headline("LV EF", left.get("ef_percent"), "%"),
        Headline("LV EDV", left.get("edv_ml"), "ml"),
        Headline("LV ESV", left.get("esv_ml"), "ml"),
        Headline("LV mass", measured.get("myocardial_mass_g"), "g"),
        Headline("RV EF", right.get("ef_percent"), "%"),
        Headline("RV EDV", right.get("edv_ml"), "ml"),
        Headline("RV ESV", right.get("esv_ml"), "ml"),
    ]


def number_rows(measured: Mapping[str, Any]) -> list[NumberRow]:
    """Function of both ventricles and the mass; none where function was not measured.

    >>> row = number_rows({"left_ventricle": {"edv_ml": 150.0}, "indexed": {"left_ventricle_edv_ml_per_m2": 75.0}})[0]
    >>> row.left, row.right, row.left_indexed
    (150.0, None, 75.0)
    """
    if LV.name not in measured and RV.name not in measured:
        return []
    left, right = measured.get(LV.name) or {}, measured.get(RV.name) or {}
    indexed = measured.get("indexed") or {}

    def of(side: str, key: str) -> float | None:
        return indexed.get(f"{side}_{key}_per_m2")

    rows = [
        NumberRow(name, unit, digits, left.get(key), right.get(key), of(LV.name, key), of(RV.name, key))
        for name, key, unit, digits in _ROWS
    ]
    mass = measured.get("myocardial_mass_g")
    return [
        *rows,
        NumberRow("Myocardial mass at ED", "g", 1, mass, None, indexed.get("myocardial_mass_g_per_m2"), None),
    ]


def study_facts(measured: Mapping[str, Any], *, manufacturer: str | None = None) -> list[tuple[str, str]]:
    """What was scanned and measured, as (term, text); what is not known is left out."""
    facts = [("Input", _input(measured)), ("Scanner", manufacturer)]
    spacing = measured.get("spacing_mm")
    facts.append(("Voxels", None if spacing is None else " x ".join(f"{mm:.2f}" for mm in spacing) + " mm"))
    for name, key in (("End-diastole", "ed"), ("End-systole", "es")):
        phase, source = measured.get(f"{key}_phase"), measured.get(f"{key}_from")
        text = None if phase is None else f"phase {phase + 1}{_time(measured, phase)}"
        facts.append((name, f"{text}, {_SOURCES.get(source, source)}" if text and source else text))
    rate, bsa = measured.get("heart_rate_bpm"), measured.get("bsa_m2")
    facts.append(("Heart rate", None if rate is None else f"{rate:.0f} /min"))
    method = measured.get("bsa_method")
    facts.append(("Body surface", None if bsa is None else f"{bsa:.2f} m² ({_BSA.get(str(method), method)})"))
    facts.append(("Label map", "corrected by hand" if measured.get("corrected") else None))
    return [(name, text) for name, text in facts if text]


def flags(measured: Mapping[str, Any]) -> list[Flag]:
    """Quality flags, the gravest first, else in their own order."""
    found = (measured.get("quality") or {}).get("flags") or []
    return sorted((_flag(flag) for flag in found), key=lambda flag: flag.severity != "fail")


def confidences(measured: Mapping[str, Any]) -> list[Confidence]:
    """Expected Dice of each structure at ED and ES, or at the one phase; none where it was not estimated."""
    shown = list(phase_marks(measured).values()) or [0]
    rows = []
    for structure in STRUCTURES:
        values: Sequence[float | None] = (measured.get("confidence") or {}).get(structure.name) or ()
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


def _input(measured: Mapping[str, Any]) -> str:
    counts = [("phase", measured.get("n_phases")), ("slice", measured.get("n_slices"))]
    words = [f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts if n is not None]
    kind = _KINDS.get(str(measured.get("kind")), "")
    return ": ".join(part for part in (kind, ", ".join(words)) if part)


def _time(measured: Mapping[str, Any], phase: int) -> str:
    times = measured.get("times_ms")
    return "" if times is None else f" ({times[phase]:.0f} ms)"


def _flag(flag: Mapping[str, Any]) -> Flag:
    places = [(name, flag.get(name)) for name in ("phase", "slice")]
    details = [(name, flag.get(name)) for name in ("value", "threshold")]
    return Flag(
        severity=str(flag.get("severity", "review")),
        rule=str(flag.get("rule", "")),
        message=str(flag.get("message", "")),
        place=", ".join(f"{name} {n + 1}" for name, n in places if n is not None),
        detail=", ".join(f"{name} {number:.3g}" for name, number in details if number is not None),
        phase=flag.get("phase"),
        slice_index=flag.get("slice"),
    )
