"""What the command line says of a segmented case."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.app.predict import CaseResult

__all__ = ["case_json", "case_line"]


def case_json(result: CaseResult) -> dict[str, Any]:
    """The result as one JSON-ready object."""
    return {key: str(value) if key == "folder" else value for key, value in asdict(result).items()}


def case_line(result: CaseResult) -> str:
    """The result as a short paragraph; a failure as one line."""
    if result.error is not None:
        return f"{result.name}: FAILED: {result.error}"
    measured = result.measurements
    if measured is None:
        return f"{result.name}: segmented; this bundle measures nothing (not for diagnosis) -> {result.folder}"
    if "ed_phase" not in measured:
        volumes = ", ".join(f"{name} {values[0]:.1f} ml" for name, values in measured["volumes_ml"].items())
        return f"{result.name}: {volumes} (one phase; not for diagnosis) -> {result.folder}"
    sides = "; ".join(f"{short} {_function(measured[name])}" for short, name in _SIDES)
    mass = f"mass {measured['myocardial_mass_g']:.1f} g"
    return f"{result.name}: {sides}; {mass} (not for diagnosis) -> {result.folder}"


_SIDES = (("LV", "left_ventricle"), ("RV", "right_ventricle"))


def _function(side: dict[str, Any]) -> str:
    fraction = "unknown" if side["ef_percent"] is None else f"{side['ef_percent']:.1f} %"
    return f"EDV {side['edv_ml']:.1f} ml, ESV {side['esv_ml']:.1f} ml, EF {fraction}"
