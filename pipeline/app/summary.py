"""What the command line says of a segmented case, and of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.app.case_results import CaseResult
from pipeline.core.measurements import Function, Measurements
from pipeline.evaluate.scores import VolumeScore, summarise

__all__ = ["case_json", "measured_line", "scores_table"]


def case_json(result: CaseResult) -> dict[str, Any]:
    """The result as one JSON-ready object."""
    of_run = {"name": result.name, "folder": str(result.folder)}
    how = {"error": result.error, "skipped": result.skipped, "seconds": result.seconds}
    return of_run | {"measurements": result.record} | how


def measured_line(name: str, measured: Measurements, folder: Path) -> str:
    """The main numbers, and the folder of the others."""
    if measured.left is None or measured.right is None:
        volumes = ", ".join(f"{structure} {values[0]:.1f} ml" for structure, values in measured.volumes_ml.items())
        return f"{name}: {volumes} (one phase; not for diagnosis) -> {folder}"
    sides = f"LV {_function(measured.left)}; RV {_function(measured.right)}"
    return f"{name}: {sides}; mass {measured.myocardial_mass_g:.1f} g (not for diagnosis) -> {folder}"


def scores_table(scores: Sequence[VolumeScore]) -> str:
    """Mean Dice with its interval, and distances, by structure and phase: a table for the terminal."""
    lines = [f"{'':<16s}{'phase':<6s}{'n':>4s}{'Dice':>8s}   {'95 % interval':<18s}{'HD95, mm':>9s}{'ASSD, mm':>9s}"]
    for row in summarise(scores):
        low, high = row["interval"]
        name = row["structure"].replace("_", " ")
        distances = "".join(
            f"{'' if row[key] is None else format(row[key], '.2f'):>9s}" for key in ("hd95_mm", "assd_mm")
        )
        spread = f"{low:.3f} to {high:.3f}"
        lines.append(f"{name:<16s}{row['phase']:<6s}{row['n']:4d}{row['dice']:8.3f}   {spread:<18s}{distances}")
    return "\n".join([*lines, "Not for diagnosis."])


def _function(side: Function) -> str:
    fraction = "unknown" if side.ef_percent is None else f"{side.ef_percent:.1f} %"
    return f"EDV {side.edv_ml:.1f} ml, ESV {side.esv_ml:.1f} ml, EF {fraction}"
