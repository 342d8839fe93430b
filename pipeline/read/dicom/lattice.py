"""A stack's frames to their (phase, slice) lattice: nothing missing, nothing doubled, evenly spaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import HeaderError, LatticeError
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.stacks import POSITION_TOLERANCE_MM, Stack
from pipeline.read.dicom.timing import Clock, Key, choose_clock

__all__ = ["STEP_TOLERANCE_MM", "Lattice", "build_lattice", "slice_step"]

STEP_TOLERANCE_MM = 0.5
"""How far a slice may lie from its place in an evenly spaced stack; never more than a tenth of the step."""


@dataclass(frozen=True)
class Lattice:
    """A complete cine as frames.

    Attributes:
        frames: `frames[t][z]`; slices by ascending position along the normal, phases by time.
        step: LPS mm from one slice's position to the next (3).
        times_ms: mean over slices of each phase's trigger time; `None` where unknown.
        repeats: (kept, repeated) frames of one position and time; their pixels are yet to be compared.
        notes: what was passed over, in sentences.
    """

    frames: tuple[tuple[Frame, ...], ...]
    step: np.ndarray
    times_ms: tuple[float, ...] | None
    repeats: tuple[tuple[Frame, Frame], ...]
    notes: tuple[str, ...]


def build_lattice(stack: Stack, *, tolerance_mm: float = STEP_TOLERANCE_MM) -> Lattice:
    """Order a stack by slice and phase.

    Phases match across slices by rank: trigger times of different slices may differ by a few ms.

    Args:
        stack: frames of one geometry.
        tolerance_mm: how far a slice may lie from its place in an evenly spaced stack.

    Raises:
        LatticeError: a slice or phase is missing, or the slices are not evenly spaced.
        HeaderError: a single slice without SpacingBetweenSlices and SliceThickness.
    """
    step, notes = slice_step(stack, tolerance_mm=tolerance_mm)
    repeats: list[tuple[Frame, Frame]] = []
    slices = [_without_copies(frames, repeats) for _, frames in stack.slices]
    clock, clock_notes = choose_clock(slices)
    columns = [_by_time(frames, clock, repeats) for frames in slices]
    _refuse_missing_phase(columns, clock, [mm for mm, _ in stack.slices])
    ranked = [[column[key] for key in sorted(column)] for column in columns]
    phases = tuple(zip(*ranked, strict=True))
    return Lattice(
        frames=phases,
        step=step,
        times_ms=_mean_times(phases) if clock.in_ms else None,
        repeats=tuple(repeats),
        notes=notes + clock_notes + _count_notes(phases),
    )


def slice_step(stack: Stack, *, tolerance_mm: float = STEP_TOLERANCE_MM) -> tuple[np.ndarray, tuple[str, ...]]:
    """Vector from one slice's position to the next: the mean over the stack, so that shear is kept.

    Returns:
        (3,) LPS mm and notes. A single slice takes SpacingBetweenSlices, else SliceThickness, along the normal.

    Raises:
        LatticeError: frames of a slice lie apart, or a slice lies off its even place by more than `tolerance_mm` or a
            tenth of the step.
        HeaderError: a single slice with neither element.
    """
    corners = np.array([_corner(frames, mm) for mm, frames in stack.slices])
    first = stack.frames[0]
    if len(corners) == 1:
        return _step_of_single_slice(first, stack.normal)
    step = (corners[-1] - corners[0]) / (len(corners) - 1)
    even = corners[0] + np.arange(len(corners))[:, None] * step
    gaps = np.diff([mm for mm, _ in stack.slices])
    usual = float(np.median(gaps))
    off = float(np.linalg.norm(corners - even, axis=1).max())
    if off > min(tolerance_mm, 0.1 * usual):
        raise LatticeError(_uneven(stack, gaps, off), first.path.parent)
    stated, distance = first.slice_spacing_mm, float(np.linalg.norm(step))
    if stated is not None and abs(stated - distance) > tolerance_mm:
        return step, (f"SpacingBetweenSlices says {stated:g} mm, the positions {distance:.2f} mm: the positions count",)
    return step, ()


def _corner(frames: Sequence[Frame], mm: float) -> np.ndarray:
    positions = np.array([frame.position for frame in frames])
    corner = positions.mean(axis=0)
    far = np.linalg.norm(positions - corner, axis=1)
    if far.max() > POSITION_TOLERANCE_MM:
        raise LatticeError(
            f"frames of the slice at {mm:.1f} mm must share one ImagePositionPatient, got {far.max():.1f} mm apart",
            frames[int(far.argmax())].path,
        )
    return corner


def _step_of_single_slice(frame: Frame, normal: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    for name, value in (
        ("SpacingBetweenSlices", frame.slice_spacing_mm),
        ("SliceThickness", frame.slice_thickness_mm),
    ):
        if value is not None and value > 0:
            return normal * value, (f"one slice only: its distance is taken from {name}, {value:g} mm",)
    raise HeaderError("a single slice must state SpacingBetweenSlices or SliceThickness, got neither", frame.path)


def _uneven(stack: Stack, gaps: np.ndarray, off: float) -> str:
    usual = float(np.median(gaps))
    worst = int(np.abs(gaps - usual).argmax())
    before, after = stack.slices[worst][0], stack.slices[worst + 1][0]
    lost = round(gaps[worst] / usual) - 1
    if lost >= 1 and abs(gaps[worst] - (lost + 1) * usual) <= 0.1 * usual:
        wanted = ", ".join(f"{before + (n + 1) * usual:.1f}" for n in range(lost))
        return (
            f"slices must be complete, got none at {wanted} mm along the normal: "
            f"between {before:.1f} and {after:.1f} mm lie {gaps[worst]:.1f} mm, elsewhere {usual:.1f} mm"
        )
    return (
        f"slices must be evenly spaced, got steps of {gaps.min():.2f} to {gaps.max():.2f} mm and a slice {off:.2f} mm "
        f"off its place; the step from {before:.1f} to {after:.1f} mm differs most"
    )


def _without_copies(frames: Sequence[Frame], repeats: list[tuple[Frame, Frame]]) -> list[Frame]:
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
            repeats.append((kept[identity], frame))
        else:
            kept[identity] = frame
    return list(kept.values())


def _by_time(frames: Sequence[Frame], clock: Clock, repeats: list[tuple[Frame, Frame]]) -> dict[Key, Frame]:
    kept: dict[Key, Frame] = {}
    for frame in frames:
        key = clock.key(frame) or ()
        if key in kept:
            repeats.append((kept[key], frame))
        else:
            kept[key] = frame
    return kept


def _refuse_missing_phase(columns: Sequence[dict[Key, Frame]], clock: Clock, positions_mm: Sequence[float]) -> None:
    usual = Counter(map(len, columns)).most_common(1)[0][0]
    wanted = _wanted_counts(columns) if clock.counts else None
    for column, mm in zip(columns, positions_mm, strict=True):
        lacking = sorted(wanted - set(column)) if wanted else []
        if len(column) == usual and not lacking:
            continue
        if lacking:
            which = "; missing: phase " + ", ".join(f"{key[0]:g}" for key in lacking)
        else:
            which = _missing_time(column, columns, usual) if clock.in_ms else ""
        raise LatticeError(
            f"every slice must have the same phases, got {len(column)} at {mm:.1f} mm where most slices have "
            f"{usual}{which}",
            next(iter(column.values())).path.parent,
        )


def _wanted_counts(columns: Sequence[dict[Key, Frame]]) -> set[Key]:
    seen = {int(key[0]) for column in columns for key in column}
    return {(float(index),) for index in range(min(seen), max(seen) + 1)}


def _missing_time(column: dict[Key, Frame], columns: Sequence[dict[Key, Frame]], usual: int) -> str:
    if len(column) >= usual:
        return ""
    whole = np.array([sorted(key[0] for key in other) for other in columns if len(other) == usual])
    expected = np.median(whole, axis=0)
    found = np.array([key[0] for key in column])
    nearest = np.abs(expected[:, None] - found[None, :]).min(axis=1)
    ranks = sorted(np.argsort(nearest)[-(usual - len(column)) :])
    told = ", ".join(f"{rank + 1} (about {expected[rank]:.0f} ms)" for rank in ranks)
    return f"; missing: phase {told}"


def _mean_times(phases: Sequence[Sequence[Frame]]) -> tuple[float, ...]:
    return tuple(float(np.mean([frame.trigger_ms for frame in row])) for row in phases)


def _count_notes(phases: Sequence[Sequence[Frame]]) -> tuple[str, ...]:
    stated = {frame.cardiac_images for row in phases for frame in row} - {None, len(phases)}
    if not stated:
        return ()
    told = ", ".join(str(count) for count in sorted(count for count in stated if count is not None))
    return (f"CardiacNumberOfImages says {told}, the files hold {len(phases)} phases a slice",)
