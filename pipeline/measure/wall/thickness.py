"""Wall thickness of the left ventricle at end-diastole and end-systole, by the segments of `measure.wall.aha`.

Slices are assigned to thirds of the ventricle by its extent at end-diastole, at end-systole too, although the base
descends: the slices do not move. Thickness is measured in the slice's plane. Towards the apex, where the wall turns
into that plane, it is larger than the wall's own.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.geometry import APEX_TO_BASE_LPS, Grid, flip_ras_lps
from pipeline.core.labels import LV, MYO
from pipeline.core.measurements import Segment, Wall
from pipeline.measure.wall.aha import APEX, SEGMENTS, level_of, segment_of
from pipeline.measure.wall.rings import N_RAYS, Ring, chords_mm, frame_from_apex, septal_arc, trace_ring

__all__ = ["MIN_SLICES", "measure_wall"]

_CLEARLY = 0.2
"""Fraction of the largest area. If one end is narrower by more than this, it is the apex."""
MIN_SLICES = 3
"""Least number of slices with left cavity at end-diastole for a division into thirds."""


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
    slices, doubt = _from_base_to_apex(labels[ed], grid)
    if frame is None or len(slices) < MIN_SLICES:
        cause = (
            "the slices do not lie across the heart's usual axis"
            if frame is None
            else f"thirds from base to apex need at least {MIN_SLICES} slices with left cavity, got {len(slices)}"
        )
        return _wall(np.full(APEX, np.nan), np.full(APEX, np.nan), [*notes, cause])
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
    origins = _anterior_insertions(volume, rings, frame)
    closed = [z for z, ring in rings.items() if ring is not None and ring.is_closed]
    if not origins or not closed:
        cause = "no ring of wall around the cavity" if origins else "no right ventricle beside the left one"
        return np.full(APEX, np.nan), [f"not measured, {cause}"]
    chords = chords_mm(*(np.stack([getattr(rings[z], side) for z in closed]) for side in ("endo_mm", "epi_mm")))
    sums, counts = np.zeros(APEX), np.zeros(APEX)
    for z, thickness in zip(closed, chords, strict=True):
        origin = origins[min(origins, key=lambda other: abs(other - z))]
        turns = origin - np.arange(N_RAYS) * (360.0 / N_RAYS)
        numbers = segment_of(turns, level_of(slices.index(z), len(slices))) - 1
        np.add.at(sums, numbers, thickness)
        np.add.at(counts, numbers, 1)
    # a slice without cavity at this phase is no surprise: at ES the base has left it, or the apex is squeezed shut
    open_slices = [z for z in slices if z not in closed and (volume[:, :, z] == LV.value).any()]
    notes = [f"{_list_slices(open_slices)} left out, the wall is not closed around the cavity"] if open_slices else []
    return np.divide(sums, counts, out=np.full(APEX, np.nan), where=counts > 0), notes


def _anterior_insertions(volume: np.ndarray, rings: dict[int, Ring | None], frame: np.ndarray) -> dict[int, float]:
    """Angle in degrees of the anterior insertion, by slice, where the right ventricle shows it.

    Seen from the apex the right ventricle lies to the left, so that from right towards down the arc of contact begins
    at the inferior insertion and ends at the anterior one, however the image is rotated.
    """
    arcs = {z: septal_arc(volume[:, :, z], ring, frame) for z, ring in rings.items() if ring is not None}
    return {z: arc[1] for z, arc in arcs.items() if arc is not None}


def _from_base_to_apex(volume: np.ndarray, grid: Grid) -> tuple[list[int], list[str]]:
    """Slices from the first with left cavity to the last, base first, and a note if the header contradicts.

    The header's axes decide, unless the ventricle clearly narrows the other way. Then they are wrong, and which wall is
    anterior follows from the rule that slices are seen from the apex.
    """
    found = np.flatnonzero((volume == LV.value).any(axis=(0, 1)))
    if len(found) == 0:
        return [], []
    slices = list(range(int(found[0]), int(found[-1]) + 1))
    narrows = _narrowing(np.isin(volume, (LV.value, MYO.value)).sum(axis=(0, 1))[slices])
    from_base = -float(flip_ras_lps(grid.affine)[:3, 2] @ APEX_TO_BASE_LPS)  # along the slices' order
    contradicted = narrows * from_base <= 0 and abs(narrows) > _CLEARLY and len(slices) >= MIN_SLICES
    notes = []
    if contradicted and from_base != 0:
        notes.append(
            "by the header the ventricle narrows towards the base, so its axes are wrong: the narrow end was taken for "
            "the apex, and the slices as seen from there; if they are not, anterior and inferior are exchanged"
        )
    starts_at_base = narrows > 0 if contradicted or from_base == 0 else from_base > 0
    return (slices if starts_at_base else slices[::-1]), notes


def _narrowing(areas: np.ndarray) -> float:
    """How far areas fall from the first slice to the last, along a fitted line, in parts of the largest.

    Slivers, below a quarter of the largest, are left out: at the base they are remnants, and would look like an apex.
    """
    full = np.flatnonzero(areas >= areas.max() / 4)
    if len(full) < 2:
        return 0.0
    slope = float(np.polyfit(full, areas[full] / areas.max(), 1)[0])
    return -slope * float(full[-1] - full[0])


def _list_slices(slices: list[int]) -> str:
    """In words, counted from 1 as sentences are."""
    return ("slice " if len(slices) == 1 else "slices ") + ", ".join(str(z + 1) for z in sorted(slices))


def _round_known(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
