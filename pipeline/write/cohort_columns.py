"""The columns of a cohort's table: name, unit, type, meaning, and where a case's record has the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from pipeline.core.labels import LV, MYO, RV, STRUCTURES

__all__ = ["COLUMNS", "Column", "row_of"]

Record = Mapping[str, Any]
Kind = Literal["text", "integer", "number", "yes_no"] | tuple[str, ...]
"""Type of a column's values; a tuple lists the only words that there are. Yes is 1, no is 0."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: lower-case letters, digits and `_`, as REDCap wants variables.
        unit: "" where there is none.
        kind: type of its values.
        definition: one sentence.
        value: takes it from a case's record; `None` where the record does not have it.
        identifies: whether it may tell who the patient is. Under a pseudonym it is empty.
    """

    name: str
    unit: str
    kind: Kind
    definition: str
    value: Callable[[Record], Any]
    identifies: bool = False


def row_of(record: Record) -> dict[str, Any]:
    """A case's row, by column; `None` where its record does not have a value, or where a pseudonym hides it.

    Args:
        record: the content of `measurements.json`, be it of a case that failed. When it was written is not in it.
    """
    hidden = record.get("pseudonym") is not None or str(_at("source", "identity")(record)).startswith("keyed ")
    return {column.name: None if column.identifies and hidden else column.value(record) for column in COLUMNS}


def _at(*keys: str | int) -> Callable[[Record], Any]:
    def value(record: Record) -> Any:
        found: Any = record
        for key in keys:
            if isinstance(found, Mapping):
                found = found.get(key)
            elif isinstance(found, Sequence) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                return None
        return found

    return value


def _status(record: Record) -> str:
    return "failed" if record.get("failed") else "done"


def _reason(record: Record) -> str | None:
    """Why a case failed, else the gravest flag: one line, for a table."""
    stated = _at("failed", "error")(record) or _gravest(record)
    return None if stated is None else " ".join(str(stated).split())


def _rules(record: Record) -> str | None:
    flags = _at("quality", "flags")(record)
    return None if flags is None else ";".join(dict.fromkeys(flag["rule"] for flag in flags))


def _gravest(record: Record) -> str | None:
    """The gravest flag's sentence, of those that the verdict rests on."""
    is_note = _at("quality", "flags", 0, "severity")(record) == "note"
    return None if is_note else _at("quality", "flags", 0, "message")(record)


def _n_flags(record: Record) -> int | None:
    flags = _at("quality", "flags")(record)
    return None if flags is None else len(flags)


def _of_single_phase(structure: str) -> Callable[[Record], Any]:
    volume = _at("volumes_ml", structure, 0)
    return lambda record: volume(record) if record.get("kind") == "single_phase" else None


def _wall_mm(of_all: Callable[[list[float]], float]) -> Callable[[Record], Any]:
    def value(record: Record) -> float | None:
        segments = _at("wall", "segments")(record) or ()
        known = [segment["ed_mm"] for segment in segments if segment["ed_mm"] is not None]
        return round(of_all(known), 3) if known else None

    return value


def _confidence(structure: str, phase: str) -> Callable[[Record], Any]:
    def value(record: Record) -> Any:
        at = record.get(f"{phase}_phase", 0 if phase == "ed" else None)
        return None if at is None else _at("confidence", structure, at)(record)

    return value


_SIDES = (("lv", LV.name, "left"), ("rv", RV.name, "right"))
_FUNCTION = (
    ("edv_ml", "ml", "volume of the {} ventricle at end-diastole"),
    ("esv_ml", "ml", "volume of the {} ventricle at end-systole"),
    ("sv_ml", "ml", "stroke volume of the {} ventricle, EDV - ESV"),
    ("ef_percent", "%", "ejection fraction of the {} ventricle, 100 SV / EDV"),
    ("co_l_per_min", "l/min", "cardiac output of the {} ventricle, SV x heart rate"),
    ("peak_ejection_rate_ml_per_s", "ml/s", "steepest fall of the {} ventricle's volume"),
    ("peak_filling_rate_ml_per_s", "ml/s", "steepest rise of the {} ventricle's volume"),
)
_INTERVALS = (
    *(
        (f"{structure}_{key}", f"{side}_{key}", unit)
        for side, structure, _ in _SIDES
        for key, unit, _ in _FUNCTION
        if key in ("edv_ml", "esv_ml", "sv_ml", "ef_percent")
    ),
    ("myocardial_mass_g", "lv_mass_g", "g"),
)
_INDEXED = ("edv_ml", "esv_ml", "sv_ml", "co_l_per_min")

COLUMNS = (
    Column("case_name", "", "text", "name of the case, and of its folder", _at("case")),
    Column("recorded_at", "", "text", "when its record was written (UTC, ISO 8601)", lambda _: None),
    Column("status", "", ("done", "failed"), "what became of the last attempt", _status),
    Column("reason", "", "text", "why it failed, else its gravest flag", _reason),
    Column("verdict", "", ("pass", "review", "fail"), "of the quality rules", _at("quality", "verdict")),
    Column("n_flags", "", "integer", "number of flags", _n_flags),
    Column("flags", "", "text", "rules that found something, gravest first, divided by semicolons", _rules),
    Column("corrected", "", "yes_no", "labels were edited by a person", _at("corrected")),
    Column("review_status", "", "text", "what a reader has decided", _at("review", "status")),
    Column("sex", "", ("F", "M"), "of the subject", _at("subject", "sex")),
    Column("age_years", "years", "number", "of the subject at the study", _at("subject", "age_years")),
    Column("height_cm", "cm", "number", "of the subject", _at("subject", "height_cm")),
    Column("weight_kg", "kg", "number", "of the subject", _at("subject", "weight_kg")),
    Column("bsa_m2", "m2", "number", "body surface area", _at("bsa_m2")),
    Column("bsa_method", "", ("mosteller", "dubois"), "formula of the body surface area", _at("bsa_method")),
    Column(
        "papillary", "", ("cavity", "mass"), "what papillary muscles count as in volumes and mass", _at("papillary")
    ),
    Column("heart_rate_bpm", "1/min", "number", "heart rate", _at("heart_rate_bpm")),
    Column("kind", "", ("cine", "few_phases", "single_phase"), "which phases there are", _at("kind")),
    Column("n_phases", "", "integer", "number of phases", _at("n_phases")),
    Column("n_slices", "", "integer", "number of slices", _at("n_slices")),
    *(
        Column(
            f"spacing_{axis}_mm", "mm", "number", f"distance of voxel centres along {axis}", _at("spacing_mm", place)
        )
        for place, axis in enumerate("xyz")
    ),
    Column("ed_phase", "", "integer", "phase of end-diastole, from 0", _at("ed_phase")),
    Column("es_phase", "", "integer", "phase of end-systole, from 0", _at("es_phase")),
    Column("ed_from", "", ("curve", "given"), "whether end-diastole was found or given", _at("ed_from")),
    Column("es_from", "", ("curve", "given"), "whether end-systole was found or given", _at("es_from")),
    *(
        Column(f"{side}_{key}", unit, "number", meaning.format(word), _at(structure, key))
        for side, structure, word in _SIDES
        for key, unit, meaning in _FUNCTION
    ),
    Column("lv_mass_g", "g", "number", "left-ventricular mass at end-diastole", _at("myocardial_mass_g")),
    *(
        Column(
            f"lv_blood_{key}",
            unit,
            "number",
            f"{meaning.format('left')}, papillary muscles and trabeculae counting as muscle",
            _at(f"{LV.name}_blood", key),
        )
        for key, unit, meaning in _FUNCTION
        if key in ("edv_ml", "esv_ml", "sv_ml", "ef_percent")
    ),
    Column(
        "lv_blood_mass_g",
        "g",
        "number",
        "left-ventricular mass at end-diastole with papillary muscles and trabeculae",
        _at(f"{LV.name}_blood", "myocardial_mass_g"),
    ),
    *(
        Column(
            f"{side}_{key}_per_m2",
            f"{unit}/m2",
            "number",
            f"{meaning.format(word)}, by body surface area",
            _at("indexed", f"{structure}_{key}_per_m2"),
        )
        for side, structure, word in _SIDES
        for key, unit, meaning in _FUNCTION
        if key in _INDEXED
    ),
    Column(
        "lv_mass_g_per_m2",
        "g/m2",
        "number",
        "left-ventricular mass by body surface area",
        _at("indexed", "myocardial_mass_g_per_m2"),
    ),
    *(
        Column(
            f"{structure.short.lower()}_volume_ml",
            "ml",
            "number",
            f"volume of the {structure.name.replace('_', ' ')} in the only phase",
            _of_single_phase(structure.name),
        )
        for structure in STRUCTURES
    ),
    Column("wall_ed_mean_mm", "mm", "number", "mean wall thickness of the segments at end-diastole", _wall_mm(fmean)),
    Column("wall_ed_max_mm", "mm", "number", "wall thickness of the thickest segment at end-diastole", _wall_mm(max)),
    *(
        Column(
            f"confidence_{structure.short.lower()}_{phase}",
            "",
            "number",
            f"Dice that the network expects of the {structure.name.replace('_', ' ')} at {phase.upper()}",
            _confidence(structure.name, phase),
        )
        for structure in (LV, MYO, RV)
        for phase in ("ed", "es")
    ),
    *(
        Column(
            f"{short}_{place}",
            unit,
            "number",
            f"{place} end of the interval of an expert's {short}, by the bundle's calibration",
            _at("intervals", key, end),
        )
        for key, short, unit in _INTERVALS
        for end, place in enumerate(("lower", "upper"))
    ),
    Column("bundle", "", "text", "network's bundle", _at("bundle", "name")),
    Column("bundle_version", "", "text", "version of the bundle", _at("bundle", "version")),
    Column("software_version", "", "text", "version of this software", _at("software", "cardiac-mr-pipeline")),
    Column("identity", "", "text", "study's UID or digest of its files", _at("source", "identity"), identifies=True),
    Column("source_path", "", "text", "where the images lay", _at("source", "path"), identifies=True),
)
"""In the table's order; the first one names the case."""
