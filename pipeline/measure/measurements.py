"""All measurements of one case as one JSON-ready object, units in the names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.images import StudyFacts
from pipeline.core.labels import LV, MYO, RV
from pipeline.measure.function import (
    MYOCARDIAL_DENSITY_G_PER_ML,
    bsa_mosteller_m2,
    find_phases,
    ventricular_function,
    volumes_ml,
)

__all__ = ["measure_cine"]

CONVENTIONS = (
    "volume is area times the distance of slice centres, gaps included, from the image's own affine",
    "papillary muscles count as cavity",
    "ED and ES are the phases of the largest and the smallest left-ventricular volume",
    f"mass is myocardial volume at ED times {MYOCARDIAL_DENSITY_G_PER_ML} g/ml",
)


def measure_cine(
    labels: np.ndarray, grid: Grid, *, times_ms: Sequence[float] | None = None, facts: StudyFacts | None = None
) -> dict[str, Any]:
    """Measure a label map.

    Args:
        labels: (T, X, Y, Z) label map.
        grid: where the voxels lie.
        times_ms: time of each phase, where known.
        facts: heart rate, height and weight, where known.

    Returns:
        Volumes of every phase always; `ed_phase`, `es_phase` (0-based), ventricular function and mass for a cine.
        What cannot be told is `None`: EF without a cavity, output without a heart rate, indices without a body size.
    """
    facts = facts or StudyFacts()
    volumes = volumes_ml(labels, grid)
    ed, es = find_phases(volumes[LV.name])
    measured: dict[str, Any] = {
        "disclaimer": "Not for diagnosis.",
        "conventions": list(CONVENTIONS),
        "n_phases": int(labels.shape[0]),
        "n_slices": int(labels.shape[3]),
        "spacing_mm": [round(mm, 4) for mm in grid.spacing_mm],
        "times_ms": None if times_ms is None else [float(time) for time in times_ms],
        "volumes_ml": {name: [round(ml, 3) for ml in per_phase] for name, per_phase in volumes.items()},
    }
    if es is None:
        return measured
    rate = facts.heart_rate_bpm
    functions = {
        side.name: ventricular_function(volumes[side.name], ed=ed, es=es, heart_rate_bpm=rate) for side in (LV, RV)
    }
    mass_g = volumes[MYO.name][ed] * MYOCARDIAL_DENSITY_G_PER_ML
    measured |= {"ed_phase": ed, "es_phase": es, "heart_rate_bpm": rate, "myocardial_mass_g": round(mass_g, 3)}
    measured |= {name: _rounded(asdict(function)) for name, function in functions.items()}
    if facts.height_m and facts.weight_kg:
        bsa = bsa_mosteller_m2(height_m=facts.height_m, weight_kg=facts.weight_kg)
        measured["bsa_m2"] = round(bsa, 3)
        measured["indexed"] = {"myocardial_mass_g_per_m2": round(mass_g / bsa, 3)} | {
            f"{name}_{key}_per_m2": round(value / bsa, 3)
            for name, function in functions.items()
            for key, value in asdict(function).items()
            if key in ("edv_ml", "esv_ml", "sv_ml")
        }
    return measured


def _rounded(values: dict[str, float | None]) -> dict[str, float | None]:
    return {key: None if value is None else round(value, 3) for key, value in values.items()}
