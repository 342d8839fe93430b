"""All measurements of one case as one JSON-ready object, units in the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.core.labels import LV, MYO, RV
from pipeline.measure.function import (
    MYOCARDIAL_DENSITY_G_PER_ML,
    BsaMethod,
    Function,
    body_surface_m2,
    peak_rates_ml_per_s,
    ventricular_function,
    volumes_ml,
)
from pipeline.measure.phases import Phases, find_phases, smooth_beat
from pipeline.measure.wall import measure_wall

__all__ = ["SCHEMA_VERSION", "PhaseChoice", "measure_cine"]

SCHEMA_VERSION = "1.0"
"""Of the object that `measure_cine` gives, see schemas/measurements.schema.json."""

CONVENTIONS = (
    "volume is area times the distance of slice centres, gaps included, from the image's own affine",
    "papillary muscles count as cavity",
    "basal slices count as far as they are labelled; nothing is corrected for the valve plane",
    "ED and ES are the phases of the largest and the smallest left-ventricular volume, for both ventricles; over five "
    "or more phases the curve is cleaned of single outliers and smoothed to find them, and volumes are those measured",
    f"mass is myocardial volume at ED times {MYOCARDIAL_DENSITY_G_PER_ML} g/ml",
    "peak rates are the steepest fall and rise of the smoothed curve, the beat taken as a cycle",
    "wall thickness is measured along rays from the cavity's centroid, in the 17 segments of the AHA, counted in equal "
    "arcs from the anterior insertion of the right ventricle",
)


@dataclass(frozen=True)
class PhaseChoice:
    """What the user says about the phases and the body surface; by default nothing.

    Attributes:
        ed: end-diastolic phase, 0-based; `None` finds it.
        es: end-systolic phase, likewise.
        bsa_method: formula of the body surface area.
    """

    ed: int | None = None
    es: int | None = None
    bsa_method: BsaMethod = "mosteller"


def measure_cine(
    labels: np.ndarray,
    grid: Grid,
    *,
    times_ms: Sequence[float] | None = None,
    facts: StudyFacts | None = None,
    choice: PhaseChoice | None = None,
) -> dict[str, Any]:
    """Measure a label map.

    Args:
        labels: (T, X, Y, Z) label map.
        grid: where the voxels lie.
        times_ms: time of each phase, where known.
        facts: heart rate, height and weight, where known.
        choice: phases given rather than found, and the formula of the body surface.

    Returns:
        The object that docs/measurements.md describes, as far as it comes from the label map: volumes of every phase
        always; `ed_phase`, `es_phase` (0-based), ventricular function, mass and wall from two phases on. What cannot be
        told is `None`: EF without a cavity, output without a heart rate, indices without a body size.

    Raises:
        ConfigError: a chosen phase that is not there.
    """
    facts, choice = facts or StudyFacts(), choice or PhaseChoice()
    volumes = volumes_ml(labels, grid)
    phases = find_phases(volumes[LV.name], ed=choice.ed, es=choice.es)
    measured: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "disclaimer": "Not for diagnosis.",
        "conventions": list(CONVENTIONS),
        "kind": phases.kind,
        "n_phases": int(labels.shape[0]),
        "n_slices": int(labels.shape[3]),
        "spacing_mm": [round(mm, 4) for mm in grid.spacing_mm],
        "times_ms": None if times_ms is None else [float(time) for time in times_ms],
        "volumes_ml": {name: [round(ml, 3) for ml in per_phase] for name, per_phase in volumes.items()},
        "lv_curve_ml": None if phases.curve_ml is None else [round(ml, 3) for ml in phases.curve_ml],
        "wall": None,
    }
    if phases.es is None:
        return measured
    rate = facts.heart_rate_bpm
    functions = {side.name: _function(volumes[side.name], phases, times_ms, rate) for side in (LV, RV)}
    mass_g = volumes[MYO.name][phases.ed] * MYOCARDIAL_DENSITY_G_PER_ML
    measured |= {"ed_phase": phases.ed, "es_phase": phases.es, "ed_from": phases.ed_from, "es_from": phases.es_from}
    measured |= {"heart_rate_bpm": rate, "myocardial_mass_g": round(mass_g, 3)}
    measured |= {name: _rounded(asdict(function)) for name, function in functions.items()}
    measured["wall"] = asdict(measure_wall(labels, grid, ed=phases.ed, es=phases.es))
    if facts.height_m and facts.weight_kg:
        bsa = body_surface_m2(height_m=facts.height_m, weight_kg=facts.weight_kg, method=choice.bsa_method)
        measured |= {"bsa_m2": round(bsa, 3), "bsa_method": choice.bsa_method}
        measured["indexed"] = _indexed(functions, mass_g, bsa)
    return measured


def _function(
    cavity_ml: Sequence[float], phases: Phases, times_ms: Sequence[float] | None, rate: float | None
) -> Function:
    assert phases.es is not None  # a single phase has no function
    function = ventricular_function(cavity_ml, ed=phases.ed, es=phases.es, heart_rate_bpm=rate)
    if phases.kind != "cine":
        return function
    rates = peak_rates_ml_per_s(smooth_beat(cavity_ml).tolist(), times_ms=times_ms, heart_rate_bpm=rate)
    if rates is None:
        return function
    return replace(function, peak_ejection_rate_ml_per_s=rates[0], peak_filling_rate_ml_per_s=rates[1])


def _indexed(functions: Mapping[str, Function], mass_g: float, bsa_m2: float) -> dict[str, float]:
    """Mass and volumes by body surface area."""
    return {"myocardial_mass_g_per_m2": round(mass_g / bsa_m2, 3)} | {
        f"{name}_{key}_per_m2": round(getattr(function, key) / bsa_m2, 3)
        for name, function in functions.items()
        for key in ("edv_ml", "esv_ml", "sv_ml")
    }


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: None if value is None else round(value, 3) for key, value in values.items()}
