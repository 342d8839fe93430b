"""A stack's frames to their (phase, slice) lattice: nothing missing, nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from pipeline.core.beat import beat_of_times, is_credible_clock
from pipeline.core.errors import LatticeError
from pipeline.read.dicom.consistency import doubt_beats, doubt_signs, doubt_steps
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.matching import drop_incomplete_slices, match_by_fraction
from pipeline.read.dicom.planes import Planes, fit_planes, place_mm
from pipeline.read.dicom.repeats import Acquisition, Prefer, choose_acquisitions, order_in_time, split_acquisitions
from pipeline.read.dicom.stacks import Stack
from pipeline.read.dicom.timing import Clock, Key, choose_clock

__all__ = ["Lattice", "build_lattice"]

_NEAR = 0.5
"""Slices nearer than this part of the usual distance are one slice, acquired again a little off its place."""


@dataclass(frozen=True)
class Lattice:
    """A complete cine as frames.

    Attributes:
        frames: `frames[t][z]`; slices by ascending position along the normal, phases by time.
        planes: where the slices lie.
        times_ms: mean over slices of each phase's trigger time; `None` where unknown or not credible.
        copies: (kept, repeated) frames of one position and time; their pixels are yet to be compared.
        repeats: (read, passed over) acquisitions of one slice.
        notes: what was passed over, in sentences.
    """

    frames: tuple[tuple[Frame, ...], ...]
    planes: Planes
    times_ms: tuple[float, ...] | None
    copies: tuple[tuple[Frame, Frame], ...]
    repeats: tuple[tuple[Acquisition, Acquisition], ...]
    notes: tuple[str, ...]


def build_lattice(stack: Stack, *, prefer: Prefer = "later", drop_incomplete: bool = False) -> Lattice:
    """Order a stack by slice and phase.

    Phases match across slices by rank: trigger times of different slices may differ by a few ms. Slices with other
    numbers of phases over the same beat are matched by its fraction.

    Args:
        stack: frames of one geometry.
        prefer: which of several complete acquisitions of a slice to read.
        drop_incomplete: leave out phases, or slices, that are not complete, instead of refusing.

    Raises:
        LatticeError: a slice or phase is missing, or a slice lies off by more than the limits of `planes`.
        HeaderError: a single slice without SpacingBetweenSlices and SliceThickness.
    """
    copies: list[tuple[Frame, Frame]] = []
    acquisitions, repeats = choose_acquisitions(_acquisitions(stack), prefer=prefer)
    slices = [_without_copies(frames, copies) for frames in acquisitions]
    clock, notes = choose_clock(slices)
    columns = [_by_time(frames, clock, copies) for frames in slices]
    if drop_incomplete:
        columns, dropped = drop_incomplete_slices(columns, clock)
        notes += dropped
    ranked, matched = _match_phases(columns, count_gaps=clock.counts and not drop_incomplete, in_ms=clock.in_ms)
    phases = tuple(zip(*ranked, strict=True))
    planes = fit_planes(ranked, allow_gaps=drop_incomplete)
    times_ms, time_notes = _times_ms(columns, len(phases)) if clock.in_ms else (None, ())
    places = [float(next(iter(column.values())).centre @ stack.normal) for column in columns]
    keys = [[key[0] for key in column] for column in columns]
    time_notes += doubt_steps(keys, clock=clock.name, positions=places)
    if clock.in_ms:
        time_notes += (*doubt_beats(keys, positions=places), *doubt_signs(keys, positions=places))
    return Lattice(
        frames=phases,
        planes=planes,
        times_ms=times_ms,
        copies=tuple(copies),
        repeats=tuple(repeats),
        notes=planes.notes + notes + matched + time_notes + _count_notes(phases),
    )


def _acquisitions(stack: Stack) -> list[list[Acquisition]]:
    """The acquisitions of each slice, earliest first; slices hardly apart from one another count as one."""
    usual = Counter(len(frames) for _, frames in stack.slices).most_common(1)[0][0]
    # a series a phase has one frame of each slice; otherwise a series has all phases of its slices
    by_series = len(stack.series) == 1 or _frames_a_series(stack) > 1
    split = [(mm, split_acquisitions(frames, usual=usual, by_series=by_series)) for mm, frames in stack.slices]
    gaps = np.diff([mm for mm, _ in split])
    near = _NEAR * float(np.median(gaps)) if len(gaps) > 1 else 0.0
    merged = [split[0][1]]
    for gap, (_, found) in zip(gaps, split[1:], strict=True):
        if gap < near and _is_elsewhere(found, merged[-1]):
            merged[-1] = sorted([*merged[-1], *found], key=order_in_time)
        else:
            merged.append(found)
    return merged


def _frames_a_series(stack: Stack) -> float:
    """Frames of a slice that one series holds, the median over slices and series."""
    counts = Counter((mm, frame.series_uid) for mm, frames in stack.slices for frame in frames)
    return median(counts.values())


def _is_elsewhere(found: Sequence[Acquisition], others: Sequence[Acquisition]) -> bool:
    """Whether two slices come from other series or acquisitions, so that one may repeat the other."""
    mine, theirs = (
        {(frame.series_uid, frame.acquisition_number) for one in acquisitions for frame in one}
        for acquisitions in (found, others)
    )
    return not mine & theirs


def _without_copies(frames: Sequence[Frame], copies: list[tuple[Frame, Frame]]) -> list[Frame]:
    kept: dict[tuple[object, ...], Frame] = {}
    for frame in sorted(frames, key=lambda frame: (frame.path, frame.frame_number)):
        identity = (
            frame.sop_instance_uid,
            frame.frame_number,
            frame.trigger_ms,
            frame.temporal_index,
            frame.instance_number,
        )
        if identity in kept:
            copies.append((kept[identity], frame))
        else:
            kept[identity] = frame
    return list(kept.values())


def _by_time(frames: Sequence[Frame], clock: Clock, copies: list[tuple[Frame, Frame]]) -> dict[Key, Frame]:
    kept: dict[Key, Frame] = {}
    for frame in frames:
        key = clock.key(frame) or ()
        if key in kept:
            copies.append((kept[key], frame))
        else:
            kept[key] = frame
    return dict(sorted(kept.items()))


def _match_phases(
    columns: Sequence[dict[Key, Frame]], *, count_gaps: bool, in_ms: bool
) -> tuple[list[list[Frame]], tuple[str, ...]]:
    """The frames of each slice in order, as many in each; `count_gaps` misses numbers that no slice has, too."""
    counts = Counter(map(len, columns))
    wanted = _wanted_indices(columns) if count_gaps else None
    if len(counts) == 1 and all(wanted is None or wanted <= set(column) for column in columns):
        return [list(column.values()) for column in columns], ()
    usual = max(counts, key=lambda count: (counts[count], count))
    matched = match_by_fraction(columns, usual) if in_ms else None
    if matched is not None:
        return matched, (
            f"slices have {min(counts)} to {max(counts)} phases over the same beat: "
            f"{len(columns) - counts[usual]} slice(s) are matched to {usual} phases by fraction of the beat, "
            "the nearest frame each",
        )
    for column in columns:
        lacking = sorted(wanted - set(column)) if wanted else []
        if len(column) != usual or lacking:
            _refuse(column, columns, usual=usual, lacking=lacking, in_ms=in_ms)
    raise AssertionError("slices that differ have one that differs from the usual")


def _wanted_indices(columns: Sequence[dict[Key, Frame]]) -> set[Key]:
    """The temporal positions from the first to the last, where those in between are more there than missing."""
    seen = {int(key[0]) for column in columns for key in column}
    first, last = min(seen), max(seen)
    if last - first + 1 > 2 * len(seen):  # a value astray, or positions that count something else
        return {(float(index),) for index in seen}
    return {(float(index),) for index in range(first, last + 1)}


def _refuse(
    column: dict[Key, Frame],
    columns: Sequence[dict[Key, Frame]],
    *,
    usual: int,
    lacking: Sequence[Key],
    in_ms: bool,
) -> None:
    frame = next(iter(column.values()))
    mm = float(frame.centre @ Stack((frame,)).normal)
    if lacking:
        which = "; missing: phase " + ", ".join(f"{key[0]:g}" for key in lacking)
    else:
        which = _missing_time(column, columns, usual) if in_ms else ""
    raise LatticeError(
        f"every slice must have the same phases, got {len(column)} at {place_mm(mm)} mm where most slices have "
        f"{usual}{which}; --drop-incomplete measures without what is not complete",
        frame.path.parent,
    )


def _missing_time(column: dict[Key, Frame], columns: Sequence[dict[Key, Frame]], usual: int) -> str:
    if len(column) >= usual:
        return ""
    whole = np.array([[key[0] for key in other] for other in columns if len(other) == usual])
    expected = np.median(whole, axis=0)
    found = np.array([key[0] for key in column])
    nearest = np.abs(expected[:, None] - found[None, :]).min(axis=1)
    ranks = sorted(np.argsort(nearest)[-(usual - len(column)) :])
    told = ", ".join(f"{rank + 1} (about {expected[rank]:.0f} ms)" for rank in ranks)
    return f"; missing: phase {told}"


def _times_ms(columns: Sequence[dict[Key, Frame]], n_phases: int) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Mean time of each phase over the slices that have all; none where they are of no beat that a heart can have."""
    whole = [[key[0] for key in column] for column in columns if len(column) == n_phases]
    times = tuple(np.mean(whole, axis=0).tolist())
    if len(times) == 1 or is_credible_clock(times):
        return times, ()
    return None, (
        f"the trigger times give a beat of {beat_of_times(times):.0f} ms, which no heart has: they order the phases "
        "and say nothing else",
    )


def _count_notes(phases: Sequence[Sequence[Frame]]) -> tuple[str, ...]:
    stated = {frame.cardiac_images for row in phases for frame in row} - {None, len(phases)}
    if not stated:
        return ()
    told = ", ".join(str(count) for count in sorted(count for count in stated if count is not None))
    return (f"CardiacNumberOfImages says {told}, the files hold {len(phases)} phases a slice",)
