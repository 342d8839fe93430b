"""Motion of the left ventricle's wall over the beat, by segment, from the contours of every phase.

Contours tell how far the wall has moved in and how much of it there is, not which part of it went where: nothing is
tracked. So a segment is the same sector of the slice at every phase, and strain is the change in length of the wall's
midline within it, against end-diastole (Lagrangian). Twisting is not seen, and a slice does not move with the heart.

Every value compares a phase with end-diastole over the same slices: those whose wall is closed at both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.wall import Curve, Motion, SegmentMotion
from pipeline.measure.phases import Phases
from pipeline.measure.volume_curve import Beat, smooth_volumes
from pipeline.measure.wall.aha import APEX, LEVELS, SEGMENTS, level_of, segment_of
from pipeline.measure.wall.centreline import about_epi_mm, arcs_mm, chords_mm, midline_mm
from pipeline.measure.wall.rings import N_RAYS, Ring, frame_from_apex, trace_ring
from pipeline.measure.wall.stack import anterior_insertions, from_base_to_apex, list_slices, nearest, why_no_thirds

__all__ = ["measure_motion"]

_DIGITS = 2
_MIN_KNOWN = 5
"""Least number of phases of a curve whose peak is looked for."""


@dataclass(frozen=True, eq=False)
class _Walls:
    """The wall along every ray, (T, S, N_RAYS) over phases and slices, NaN where it is not closed."""

    endo_mm: np.ndarray
    thickness_mm: np.ndarray
    arcs_mm: np.ndarray


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over groups of rays at every phase and, over the same slices, at end-diastole, (G, T).

    Attributes:
        now: at the phase.
        at_ed: at end-diastole.
        counts: how many rays.
    """

    now: np.ndarray
    at_ed: np.ndarray
    counts: np.ndarray

    def falls(self) -> np.ndarray:
        """How much the mean has fallen."""
        return _ratio(self.at_ed - self.now, self.counts)

    def changes_percent(self) -> np.ndarray:
        """How much the sum has grown, in per cent."""
        return 100.0 * (_ratio(self.now, self.at_ed) - 1.0)


def measure_motion(labels: np.ndarray, grid: Grid, *, phases: Phases, beat: Beat) -> Motion:
    """Measure radial displacement, thickening and circumferential strain at every phase.

    Args:
        labels: (T, X, Y, Z) label map.
        grid: where the voxels lie.
        phases: end-diastole, end-systole and the phases passed over, whose values are unknown.
        beat: when the phases are.

    Returns:
        The curves. Without a right ventricle at end-diastole the segments are unknown, but not the thirds. Nothing is
        measured, and a note says why, where there is a single phase or the wall cannot be divided into thirds.
    """
    ed, es = phases.ed, phases.es
    frame = frame_from_apex(grid)
    slices, doubt = from_base_to_apex(labels[ed], grid)
    cause = "one phase has no motion" if es is None else why_no_thirds(frame, slices)
    if frame is None or es is None or cause is not None:
        return _unknown(len(labels), [str(cause)])
    at_ed = {z: trace_ring(labels[ed, :, :, z], frame) for z in slices}
    counted = [z for z in slices if _is_closed(at_ed[z]) and _is_closed(trace_ring(labels[es, :, :, z], frame))]
    if not counted:
        return _unknown(len(labels), ["no slice has a closed ring of wall at both end-diastole and end-systole"])
    origins = anterior_insertions(labels[ed], at_ed, frame)
    levels = np.array([level_of(slices.index(z), len(slices)) for z in counted])
    groups = np.concatenate([_segment_rays(counted, levels, origins), _level_rays(levels)])
    failed = set(phases.passed_over) - {ed, es}
    curves = _measure_groups(_trace(labels, counted, frame, failed), groups, phases=phases, beat=beat)
    notes = [*_notes(slices, counted, origins, failed), *doubt]
    return _motion(curves, counted, notes)


def _trace(labels: np.ndarray, slices: Sequence[int], frame: np.ndarray, failed: Iterable[int]) -> _Walls:
    walls = _Walls(*(np.full((len(labels), len(slices), N_RAYS), np.nan) for _ in range(3)))
    for t in sorted(set(range(len(labels))) - set(failed)):
        rings = [trace_ring(labels[t, :, :, z], frame) for z in slices]
        closed = [(n, ring) for n, ring in enumerate(rings) if ring is not None and ring.is_closed]
        if not closed:
            continue
        places = [n for n, _ in closed]
        endo, epi = np.stack([ring.endo_mm for _, ring in closed]), np.stack([ring.epi_mm for _, ring in closed])
        walls.endo_mm[t, places] = about_epi_mm(endo, epi)
        walls.thickness_mm[t, places] = chords_mm(endo, epi)
        walls.arcs_mm[t, places] = arcs_mm(midline_mm(endo, epi))
    return walls


def _segment_rays(slices: Sequence[int], levels: np.ndarray, origins: dict[int, float]) -> np.ndarray:
    """Which rays belong to each segment at end-diastole, (17, S, N_RAYS) bool; none without an insertion."""
    numbers = np.zeros((len(slices), N_RAYS), dtype=int)
    for n, (z, level) in enumerate(zip(slices, levels, strict=True)):
        if origins:
            numbers[n] = segment_of(origins[nearest(origins, z)] - np.arange(N_RAYS) * (360.0 / N_RAYS), int(level))
    return np.arange(1, APEX + 1)[:, None, None] == numbers


def _level_rays(levels: np.ndarray) -> np.ndarray:
    """All rays, and those of each third, (4, S, N_RAYS) bool."""
    chosen = np.stack([np.ones(len(levels), dtype=bool), *(levels == level for level in range(len(LEVELS)))])
    return np.broadcast_to(chosen[..., None], (*chosen.shape, N_RAYS))


def _measure_groups(walls: _Walls, groups: np.ndarray, *, phases: Phases, beat: Beat) -> list[tuple[Curve, ...]]:
    """Displacement, thickening and strain of each group of rays."""
    endo, thickness, arcs = (
        _sum(values, groups, phases.ed) for values in (walls.endo_mm, walls.thickness_mm, walls.arcs_mm)
    )
    contractions = ((endo.falls(), 1), (thickness.changes_percent(), 1), (arcs.changes_percent(), -1))
    return list(
        zip(
            *([_curve(row, sign, phases=phases, beat=beat) for row in values] for values, sign in contractions),
            strict=True,
        )
    )


def _sum(values: np.ndarray, groups: np.ndarray, ed: int) -> _Sums:
    known = np.isfinite(values[..., 0])  # (T, S)
    sums = np.einsum("tsr,gsr->gts", np.where(known[..., None], values, 0.0), groups.astype(float))
    return _Sums(
        sums.sum(axis=2), (sums[:, [ed]] * known).sum(axis=2), (groups.sum(axis=2)[:, None] * known).sum(axis=2)
    )


def _curve(values: np.ndarray, sign: int, *, phases: Phases, beat: Beat) -> Curve:
    """A curve with its peak in the direction of a contraction, 1 up or -1 down."""
    assert phases.es is not None  # one phase has no motion
    rounded = tuple(None if np.isnan(value) else round(float(value), _DIGITS) + 0.0 for value in values)
    unknown = np.isnan(values)
    if phases.kind != "cine" or (~unknown).sum() < _MIN_KNOWN:
        return Curve(rounded, rounded[phases.es])
    smooth = sign * smooth_volumes(np.where(unknown, 0.0, values).tolist(), beat, spikes=unknown)
    peak = int(np.where(unknown, -np.inf, smooth).argmax())
    turns = (beat.turns[peak] - beat.turns[phases.ed]) % 1.0
    time_ms = None if beat.period_ms is None else round(float(turns * beat.period_ms), 1)
    return Curve(rounded, rounded[phases.es], rounded[peak], peak, time_ms)


def _motion(curves: Sequence[tuple[Curve, ...]], slices: Sequence[int], notes: Sequence[str]) -> Motion:
    segments = tuple(
        SegmentMotion(number, name, *of_segment)
        for number, (name, of_segment) in enumerate(zip(SEGMENTS, curves, strict=False), start=1)
    )
    strains = {name: of_level[2] for name, of_level in zip(("global", *LEVELS), curves[APEX:], strict=True)}
    return Motion(segments, strains, tuple(slices), tuple(notes))


def _unknown(n_phases: int, notes: Sequence[str]) -> Motion:
    nothing = Curve((None,) * n_phases)
    return _motion([(nothing,) * 3] * (APEX + 1 + len(LEVELS)), (), notes)


def _notes(
    slices: Sequence[int], counted: Sequence[int], origins: dict[int, float], failed: Iterable[int]
) -> Iterable[str]:
    yield "the apex (segment 17) is not measured in short-axis slices"
    left_out = set(slices) - set(counted)
    if left_out:
        yield f"{list_slices(left_out)} left out, the wall is not closed at both end-diastole and end-systole"
    if not origins:
        yield "segments are unknown, at end-diastole there is no right ventricle beside the left one"
    for phase in sorted(failed):
        yield f"phase {phase + 1} left out, its volume sticks out of the beat"


def _is_closed(ring: Ring | None) -> bool:
    return ring is not None and ring.is_closed


def _ratio(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Quotient, NaN where nothing is known."""
    return np.divide(values, by, out=np.full(values.shape, np.nan), where=by > 0)
