"""Wall thickness of the left ventricle at end-diastole and end-systole, by the segments of `measure.wall.aha`.

Slices are assigned to thirds of the ventricle by its extent at end-diastole, at end-systole too, although the base
descends: the slices do not move. Thickness is measured in the slice's plane. Towards the apex, where the wall turns
into that plane, it is larger than the wall's own.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.labels import LV
from pipeline.core.wall import Segment, Wall
from pipeline.measure.wall.aha import APEX, SEGMENTS, level_of, segment_of
from pipeline.measure.wall.centreline import chords_mm
from pipeline.measure.wall.rings import N_RAYS, frame_from_apex, trace_ring
from pipeline.measure.wall.stack import (
    anterior_insertions,
    from_base_to_apex,
    list_slices,
    nearest,
    why_no_thirds,
)

__all__ = ["measure_wall"]


def measure_wall(labels: np.ndarray, grid: Grid, *, ed: int, es: int) -> Wall:
    """Measure the wall by the centreline method between sub-pixel contours, averaged over chords and slices.

    Args:
        labels: (T, X, Y, Z) label map.
        grid: where the voxels lie.
        ed: phase, 0-based.
        es: phase, 0-based.

    Returns:
        All 17 segments. The apex is never measured in short-axis slices. Slices whose wall is open are left out.
        Nothing is measured, and a note says why, with fewer than 3 slices, slices that are not short-axis, or no right
        ventricle to count the segments from.
    """
    notes = ["the apex (segment 17) is not measured in short-axis slices"]
    frame = frame_from_apex(grid)
    slices, doubt = from_base_to_apex(labels[ed], grid)
    cause = why_no_thirds(frame, slices)
    if frame is None or cause is not None:
        return _wall(np.full(APEX, np.nan), np.full(APEX, np.nan), [*notes, str(cause)])
    means = []
    for name, phase in (("ED", ed), ("ES", es)):
        values, left_out = _segment_means(labels[phase], slices, frame)
        means.append(values)
        notes += [f"{name}: {sentence}" for sentence in left_out]
    return _wall(means[0], means[1], [*notes, *doubt])


def _wall(ed_mm: np.ndarray, es_mm: np.ndarray, notes: list[str]) -> Wall:
    segments = []
    for number, (at_ed, at_es) in enumerate(zip(ed_mm, es_mm, strict=True), start=1):
        thickening = 100.0 * (at_es - at_ed) / at_ed if at_ed > 0 else np.nan
        name = SEGMENTS[number - 1]
        segments.append(
            Segment(number, name, _round_known(at_ed, 2), _round_known(at_es, 2), _round_known(thickening, 1))
        )
    return Wall(tuple(segments), tuple(notes))


def _segment_means(volume: np.ndarray, slices: list[int], frame: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Mean thickness in segments 1 to 17 of one phase, NaN if not measured, and what was left out."""
    rings = {z: trace_ring(volume[:, :, z], frame) for z in slices}
    origins = anterior_insertions(volume, rings, frame)
    closed = [z for z, ring in rings.items() if ring is not None and ring.is_closed]
    if not origins or not closed:
        cause = "no right ventricle beside the left one" if closed else "no ring of wall around the cavity"
        return np.full(APEX, np.nan), [f"not measured, {cause}"]
    chords = chords_mm(*(np.stack([getattr(rings[z], side) for z in closed]) for side in ("endo_mm", "epi_mm")))
    sums, counts = np.zeros(APEX), np.zeros(APEX)
    for z, thickness in zip(closed, chords, strict=True):
        origin = origins[nearest(origins, z)]
        turns = origin - np.arange(N_RAYS) * (360.0 / N_RAYS)
        numbers = segment_of(turns, level_of(slices.index(z), len(slices))) - 1
        np.add.at(sums, numbers, thickness)
        np.add.at(counts, numbers, 1)
    # a slice without cavity at this phase is no surprise: at ES the base has left it, or the apex is squeezed shut
    open_slices = [z for z in slices if z not in closed and (volume[:, :, z] == LV.value).any()]
    notes = [f"{list_slices(open_slices)} left out, the wall is not closed around the cavity"] if open_slices else []
    return np.divide(sums, counts, out=np.full(APEX, np.nan), where=counts > 0), notes


def _round_known(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
