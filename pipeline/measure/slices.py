"""Areas and wall thickness slice by slice, from which volumes can be checked by hand."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES
from pipeline.core.slices import SliceAreas, SliceRow
from pipeline.measure.wall.aha import LEVELS, level_of
from pipeline.measure.wall.centreline import chords_mm
from pipeline.measure.wall.rings import frame_from_apex, trace_ring
from pipeline.measure.wall.stack import from_base_to_apex, why_no_thirds

__all__ = ["measure_slices"]


def measure_slices(
    labels: np.ndarray,
    grid: Grid,
    *,
    ed: int,
    es: int,
    counted: np.ndarray | None = None,
    in_motion: Collection[int] = (),
) -> tuple[SliceRow, ...]:
    """Measure every slice of a stack at two phases.

    Args:
        labels: (T, X, Y, Z) label map.
        grid: where the voxels lie.
        ed: end-diastole, 0-based.
        es: end-systole.
        counted: (T, X, Y, Z) label map whose areas are told, if not those of `labels`.
        in_motion: slices in which the motion of the wall was measured.

    Returns:
        Z rows in the stack's order. Area times span, summed over the slices, is the volume.
    """
    frame = frame_from_apex(grid)
    slices, _ = from_base_to_apex(labels[ed], grid)
    has_thirds = why_no_thirds(frame, slices) is None
    pixel_mm2 = float(np.linalg.norm(np.cross(grid.affine[:3, 0], grid.affine[:3, 1])))
    spans_mm = 1000.0 * grid.voxel_volumes_ml / pixel_mm2
    of_areas = labels if counted is None else counted
    rows = []
    for z in range(grid.shape[2]):
        at_ed, at_es = (
            SliceAreas(
                **_areas_cm2(of_areas[phase, :, :, z], pixel_mm2),
                thickness_mm=_thickness_mm(labels[phase, :, :, z], frame),
            )
            for phase in (ed, es)
        )
        level = LEVELS[level_of(slices.index(z), len(slices))] if has_thirds and z in slices else None
        labelled = bool(np.isin(labels[[ed, es], :, :, z], [structure.value for structure in STRUCTURES]).any())
        rows.append(SliceRow(z, level, round(float(spans_mm[z]), 4), at_ed, at_es, labelled, z in in_motion))
    return tuple(rows)


def _areas_cm2(labels: np.ndarray, pixel_mm2: float) -> dict[str, float]:
    return {f"{s.name}_cm2": round(float((labels == s.value).sum() * pixel_mm2 / 100.0), 4) for s in STRUCTURES}


def _thickness_mm(labels: np.ndarray, frame: np.ndarray | None) -> float | None:
    """Mean over the ring, where it is closed."""
    ring = None if frame is None else trace_ring(labels, frame)
    if ring is None or not ring.is_closed:
        return None
    return round(float(chords_mm(ring.endo_mm[None], ring.epi_mm[None]).mean()), 2)
