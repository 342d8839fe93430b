"""Frames to stacks of parallel slices.

A *position* is the centre of a frame projected on the normal of its stack, in mm. A *piece* is the frames of one
series that are pictures of one kind and form and nearly parallel. A *stack* is pieces that belong together:

- pieces with several phases at each position (all in one series, or one series a slice) join where their positions
  differ, or where one repeats slices of the other by the same technique;
- pieces with one image at each position (one series a phase, or a static volume) join where the positions differ, or
  where the times do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median_low

import numpy as np

from pipeline.core.beat import MAX_BEAT_MS
from pipeline.core.geometry import plane_normal
from pipeline.read.dicom.frames import Frame

__all__ = [
    "MAX_TILT_DEG",
    "MIN_SLICES",
    "POSITION_TOLERANCE_MM",
    "Stack",
    "are_alike",
    "group_stacks",
]

POSITION_TOLERANCE_MM = 0.1
"""Frames nearer than this along the normal are one slice."""

MIN_SLICES = 3
"""A short-axis stack has at least so many parallel slices; fewer make a localiser or a long-axis view."""

MAX_TILT_DEG = 5.0
"""Slices of one stack are parallel within this. A stack planned anew between breath-holds turns by a degree or two; at
5 degrees a slice's area is 0.4 % off that of its place in the stack."""

_PIECE_TILT_DEG = 15.0
"""Frames of one series within this are one piece, so that a slice that tilts too far is refused by name rather than
left out; long-axis views turned about one axis lie further apart."""

_PHASES_ALIKE = 0.5
"""Series of one cine have about as many phases each: the smaller count at least this part of the larger."""

_TIMES_ALIKE = 1.5
"""Echo and repetition times of one technique differ at most by this factor, for each breath-hold is tuned by itself."""


@dataclass(frozen=True)
class Stack:
    """Nearly parallel frames of one form and kind.

    Attributes:
        frames: the frames, in the order read; one at least.
    """

    frames: tuple[Frame, ...]

    @cached_property
    def orientation(self) -> tuple[float, ...]:
        """Mean directions of rows and of columns, of unit length and at right angles, LPS (6)."""
        planes = {frame.orientation for frame in self.frames}
        if len(planes) == 1:
            return next(iter(planes))
        rows, columns = np.mean([frame.orientation for frame in self.frames], axis=0).reshape(2, 3)
        rows = rows / np.linalg.norm(rows)
        columns = columns - (columns @ rows) * rows
        return (*rows.tolist(), *(columns / np.linalg.norm(columns)).tolist())

    @cached_property
    def normal(self) -> np.ndarray:
        """Unit normal of the slices, LPS (3)."""
        return plane_normal(self.orientation)

    @cached_property
    def slices(self) -> tuple[tuple[float, tuple[Frame, ...]], ...]:
        """(position in mm, frames there), by ascending position along the normal."""
        distances = np.array([frame.centre for frame in self.frames]) @ self.normal
        order = np.argsort(distances, kind="stable")
        starts = np.flatnonzero(np.diff(distances[order]) > POSITION_TOLERANCE_MM) + 1
        groups = np.split(order, starts)
        return tuple((float(distances[g].mean()), tuple(self.frames[i] for i in g)) for g in groups)

    @property
    def n_slices(self) -> int:
        """Number of distinct positions."""
        return len(self.slices)

    @cached_property
    def n_phases(self) -> int:
        """Frames at a position, the median over positions."""
        return median_low(len(frames) for _, frames in self.slices)

    @cached_property
    def series(self) -> tuple[str, ...]:
        """SeriesInstanceUIDs, in order of SeriesNumber."""
        numbers = {frame.series_uid: frame.series_number or 0 for frame in self.frames}
        return tuple(sorted(numbers, key=lambda uid: (numbers[uid], uid)))

    @cached_property
    def span_ms(self) -> float | None:
        """Time from the first to the last trigger time at a position, the median over positions; `None` without."""
        spans = []
        for _, frames in self.slices:
            times = [frame.trigger_ms for frame in frames if frame.trigger_ms is not None]
            if len(times) == len(frames):
                spans.append(max(times) - min(times))
        return median_low(spans) if spans else None

    def shared_positions(self, other: Stack) -> int:
        """How many slices lie at a position of the other stack."""
        theirs = np.array([frames[0].centre for _, frames in other.slices]) @ self.normal
        mine = np.array([mm for mm, _ in self.slices])
        return int((np.abs(mine[:, None] - theirs[None, :]) <= POSITION_TOLERANCE_MM).any(axis=1).sum())

    def joined(self, other: Stack) -> Stack:
        """The frames of both."""
        return Stack(self.frames + other.frames)


def group_stacks(frames: Sequence[Frame]) -> list[Stack]:
    """Sort the frames of a study into stacks, the largest first.

    Args:
        frames: any frames; none give an empty list.
    """
    pieces = _make_pieces(frames)
    stacks = _join_slices([piece for piece in pieces if piece.n_phases > 1])
    stacks += _join_phases([piece for piece in pieces if piece.n_phases == 1])
    return sorted(stacks, key=lambda stack: (-len(stack.frames), stack.series))


def are_alike(a: Stack, b: Stack, *, any_correction: bool = False) -> bool:
    """Whether two stacks show the same kind of picture, of one form and direction, by one technique.

    Args:
        a: one stack.
        b: the other.
        any_correction: whether pictures of other distortion corrections count as the same kind.
    """
    first, second = a.frames[0], b.frames[0]
    kind = replace(second.kind, correction=first.kind.correction) if any_correction else second.kind
    return (
        first.kind == kind
        and first.has_form_of(second)
        and max(a.frames[0].tilt_deg(b.orientation), b.frames[0].tilt_deg(a.orientation)) <= MAX_TILT_DEG
        and _same_technique(first, second)
        and _is_beat(a) == _is_beat(b)
    )


def _make_pieces(frames: Iterable[Frame]) -> list[Stack]:
    """The frames of each series, those of one kind, form and direction together; pieces of most slices first."""
    by_key: dict[tuple[object, ...], list[list[Frame]]] = defaultdict(list)
    home: dict[tuple[object, ...], list[Frame]] = {}
    for frame in frames:
        key = (frame.series_uid, frame.stack_id, frame.kind)
        plane = (*key, frame.orientation, frame.pixel_spacing, frame.rows, frame.columns)
        if plane not in home:
            groups = by_key[key]
            home[plane] = next((group for group in groups if _belongs(frame, group[0])), [])
            if not home[plane]:
                groups.append(home[plane])
        home[plane].append(frame)
    pieces = [Stack(tuple(group)) for groups in by_key.values() for group in groups]
    return sorted(pieces, key=lambda piece: (-piece.n_slices, piece.series))


def _belongs(frame: Frame, first: Frame) -> bool:
    return frame.has_form_of(first) and frame.tilt_deg(first.orientation) <= _PIECE_TILT_DEG


def _same_technique(a: Frame, b: Frame) -> bool:
    """Whether two frames were acquired alike, as far as both headers tell."""
    mine, theirs = a.technique, b.technique
    if mine.sequence and theirs.sequence and mine.sequence != theirs.sequence:
        return False
    pairs = ((mine.echo_ms, theirs.echo_ms), (mine.repetition_ms, theirs.repetition_ms))
    return all(max(x, y) <= _TIMES_ALIKE * min(x, y) for x, y in pairs if x and y)


def _is_beat(stack: Stack) -> bool:
    """Whether the times of a slice are of one beat, as far as they tell; dynamics of a perfusion are not."""
    return stack.span_ms is None or stack.span_ms <= MAX_BEAT_MS


def _join_slices(pieces: Iterable[Stack]) -> list[Stack]:
    stacks: list[Stack] = []
    for piece in pieces:
        for index, stack in enumerate(stacks):
            if _continues(piece, stack):
                stacks[index] = stack.joined(piece)
                break
        else:
            stacks.append(piece)
    return stacks


def _continues(piece: Stack, stack: Stack) -> bool:
    """Whether a piece adds slices to a stack, or has some of its slices acquired again."""
    counts = sorted((stack.n_phases, piece.n_phases))
    if counts[0] < _PHASES_ALIKE * counts[1] or not are_alike(piece, stack):
        return False
    n_shared = piece.shared_positions(stack)
    return n_shared == 0 or piece.n_slices == 1 or n_shared == piece.n_slices < stack.n_slices


def _join_phases(pieces: Sequence[Stack]) -> list[Stack]:
    counted = {frame.cardiac_images for piece in pieces for frame in piece.frames} == {len(pieces)}
    stacks: list[Stack] = []
    for piece in pieces:
        for index, stack in enumerate(stacks):
            if are_alike(piece, stack) and (counted or not _share_moments(stack, piece)):
                stacks[index] = stack.joined(piece)
                break
        else:
            stacks.append(piece)
    return stacks


def _share_moments(a: Stack, b: Stack) -> bool:
    """Whether any frame of one stack has the position and the time of a frame of the other."""
    mine, theirs = (
        {(round(float(f.centre @ a.normal), 1), f.trigger_ms, f.temporal_index) for f in stack.frames}
        for stack in (a, b)
    )
    return bool(mine & theirs)
