"""The report of one study: a page that opens from disk, shows the beating heart with its outlines, and prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.case import Case
from pipeline.core.files import replacing
from pipeline.core.images import Cine
from pipeline.core.labels import LV, RV, STRUCTURES
from pipeline.core.measurements import Measurements
from pipeline.core.pose import AS_STORED
from pipeline.write.pages import bullseye, findings
from pipeline.write.pages.charts import VolumeChart, volume_chart
from pipeline.write.pages.comparisons import comparisons
from pipeline.write.pages.heading import head_groups
from pipeline.write.pages.outlines import UNITS_PER_PIXEL
from pipeline.write.pages.page import write_page
from pipeline.write.pages.sheets import StudyPictures, draw_study

__all__ = ["FILES", "write_report"]

FILES: Mapping[str, str] = {
    "segmentation.nii.gz": "label map of all phases on the input's grid (NIfTI)",
    "seg_ed.dcm": "segmentation at end-diastole (DICOM SEG)",
    "seg_es.dcm": "segmentation at end-systole (DICOM SEG)",
    "seg.dcm": "segmentation of the one phase (DICOM SEG)",
    "sr.dcm": "measurements (DICOM SR)",
    "report.dcm": "this report as a PDF (DICOM Encapsulated PDF)",
    "measurements.json": "all measurements; phases and slices count from 0 there",
}
"""Files of a study that a report links to if they are in its folder, like a segmentation of each phase."""

_PHASE_NAMES = {"ED": "End-diastole", "ES": "End-systole"}

_BEAT_MS = 1000.0
"""Playing time of a beat of unknown length."""


def write_report(
    path: Path,
    case: Case,
    *,
    identity: Mapping[str, str] | None = None,
    worklist: str | None = None,
    thumbnail: Path | None = None,
) -> Path:
    """Write the report of a case as one HTML file that needs no other and no network.

    It does not name the patient unless `identity` is given. Write it last, since it links to the files of `FILES` in
    its folder.

    Args:
        path: HTML to write. Parent folders are created.
        case: the case.
        identity: the patient's data to print, as {"name": ..., "id": ..., "birth_date": ..., "study_date": ...,
            "report_date": ..., "institution": ...}.
        worklist: address of the worklist, relative to the report, as "../index.html"; the report then links to it and,
            through it, to the studies before and after.
        thumbnail: JPEG to write as well, a small picture for the worklist.

    Returns:
        `path`.
    """
    cine, measured = case.cine, case.measurements
    pose = measured.pose.pose if measured.pose else AS_STORED
    shown = _shown_phases(measured)
    pictures = draw_study(cine, case.counted_labels, pose=pose, still_phases=[phase for phase, _ in shown])
    if thumbnail is not None:
        with replacing(thumbnail) as partial:
            partial.write_bytes(pictures.thumbnail)
    content = {
        "case": case.name,
        "worklist": worklist,
        "verdict": findings.verdict(measured),
        "head": head_groups(case, identity or {}),
        "headlines": findings.headlines(measured),
        "numbers": findings.number_rows(measured),
        "blood": findings.blood_rows(measured),
        "papillary": findings.papillary_sentence(measured),
        "has_indices": bool(measured.indexed),
        "confidences": findings.confidences(measured),
        "certainty": measured.certainty,
        "has_intervals": bool(measured.intervals),
        "flags": findings.flags(measured),
        "shown_phases": shown,
        "structures": STRUCTURES,
        "pictures": pictures,
        "laid_down": None if pose == AS_STORED else pose.name,
        "player": _player(cine, measured, pictures),
        "chart": _chart(cine, measured),
        "volumes": measured.volumes_ml,
        "times_ms": cine.times_ms,
        "wall": _wall(measured),
        "wall_size": bullseye.SIZE,
        **comparisons(measured),
        "notes": measured.notes,
        "conventions": measured.conventions,
        "provenance": _provenance(case),
        "files": _files(path.parent, cine.n_phases),
    }
    return write_page(path, "report.html", content)


def _shown_phases(measured: Measurements) -> list[tuple[int, str]]:
    """Phases shown slice by slice: (phase, title)."""
    marks = findings.phase_marks(measured)
    named = [(phase, f"{_PHASE_NAMES[name]}, phase {phase + 1}") for name, phase in marks.items()]
    return named or [(0, "Phase 1")]


def _player(cine: Cine, measured: Measurements, pictures: StudyPictures) -> dict[str, Any]:
    """Data that the player's script needs besides the pictures."""
    marks = findings.phase_marks(measured)
    return {
        "n_phases": cine.n_phases,
        "n_slices": cine.n_slices,
        "start": {"phase": marks.get("ED", 0), "slice": pictures.locator.slice_index},
        "tile": pictures.tile,
        "tile_mm": pictures.tile_mm,
        "columns": pictures.columns,
        "times_ms": cine.times_ms,
        "step_ms": _step_ms(cine),
        "marks": {str(phase): name for name, phase in marks.items()},
        "stills": marks if cine.n_phases > 1 else {},
        "window": pictures.window,
        "units": UNITS_PER_PIXEL,
        "colours": [f"rgb{structure.rgb}" for structure in STRUCTURES],
        "outlines": pictures.outlines,
    }


def _step_ms(cine: Cine) -> float:
    """Playing time of a phase: the median step, else an equal share of the beat."""
    if cine.times_ms is not None and cine.n_phases > 1:
        return float(np.median(np.diff(cine.times_ms)))
    rate = cine.facts.heart_rate_bpm
    return (60_000.0 / rate if rate else _BEAT_MS) / cine.n_phases


def _chart(cine: Cine, measured: Measurements) -> VolumeChart | None:
    """Volumes of both ventricles over the phases, or `None` if there are too few for a curve."""
    shown = {name: measured.volumes_ml[name] for name in (LV.name, RV.name) if name in measured.volumes_ml}
    if cine.n_phases < 3 or not shown:
        return None
    marks = findings.phase_marks(measured)
    return volume_chart(shown, times_ms=cine.times_ms, curve_ml=measured.lv_curve_ml, marks=marks)


def _wall(measured: Measurements) -> dict[str, Any] | None:
    """Bull's eyes, their table and notes, or `None` if the wall was not measured."""
    if measured.wall is None:
        return None
    segments = [asdict(segment) for segment in measured.wall.segments]
    drawings = (
        ("Thickness at ED", "ed_mm", bullseye.THICKNESS, "mm"),
        ("Thickness at ES", "es_mm", bullseye.THICKNESS, "mm"),
        ("Thickening", "thickening_percent", bullseye.THICKENING, "%"),
    )
    plots = [
        {"title": title, "unit": unit, "shades": shades, "sectors": bullseye.sectors(segments, key, shades, unit=unit)}
        for title, key, shades, unit in drawings
    ]
    return {"plots": plots, "segments": segments, "notes": measured.wall.notes}


def _provenance(case: Case) -> list[tuple[str, list[tuple[str, str]]]]:
    """(heading, rows) on software, bundle and settings."""
    made_by = case.provenance.to_json()
    parts = (("Model", "bundle"), ("Settings", "settings"), ("Software", "software"))
    return [(heading, findings.flatten(made_by[key])) for heading, key in parts if made_by[key]]


def _files(folder: Path, n_phases: int) -> list[tuple[str, str]]:
    """(name, description) of the study's files that exist."""
    phases = {f"seg_phase_{n:02d}.dcm": f"segmentation at phase {n + 1} (DICOM SEG)" for n in range(n_phases)}
    return [(name, what) for name, what in {**FILES, **phases}.items() if (folder / name).is_file()]
