"""Output of the command line for a segmented case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.app.predict import CaseResult
from pipeline.core.measurements import Function, Measurements

__all__ = ["case_json", "case_line", "measured_line"]


def case_json(result: CaseResult) -> dict[str, Any]:
    """The result as one JSON-ready object."""
    of_run = {"name": result.name, "folder": str(result.folder)}
    return of_run | {"measurements": result.record, "error": result.error}


def case_line(result: CaseResult) -> str:
    """The result as a short paragraph, a failure as one line."""
    if result.error is not None:
        return f"{result.name}: FAILED: {result.error}"
    if result.measurements is None:
        return f"{result.name}: segmented; this bundle measures nothing (not for diagnosis) -> {result.folder}"
    return measured_line(result.name, result.measurements, result.folder)


def measured_line(name: str, measured: Measurements, folder: Path) -> str:
    """The main numbers, and the folder of the others."""
    if measured.left is None or measured.right is None:
        volumes = ", ".join(f"{structure} {values[0]:.1f} ml" for structure, values in measured.volumes_ml.items())
        return f"{name}: {volumes} (one phase; not for diagnosis) -> {folder}"
    sides = f"LV {_function(measured.left)}; RV {_function(measured.right)}"
    return f"{name}: {sides}; mass {measured.myocardial_mass_g:.1f} g (not for diagnosis) -> {folder}"


def _function(side: Function) -> str:
    fraction = "unknown" if side.ef_percent is None else f"{side.ef_percent:.1f} %"
    return f"EDV {side.edv_ml:.1f} ml, ESV {side.esv_ml:.1f} ml, EF {fraction}"
