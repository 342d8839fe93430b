"""Frames to stacks of parallel slices, and which stack is the short axis.

A *position* is a frame's ImagePositionPatient projected on the normal of its plane, in mm. A *stack* is a set of
frames of one orientation, matrix, pixel spacing and kind whose series belong together:

- series with several phases at each position (all in one series, or one series a slice) join where their positions
  differ;
- series with one image at each position (one series a phase, or a static volume) join where the positions differ, or
  where the times do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median_low

import numpy as np

from pipeline.read.dicom.frames import Frame, plane_normal

__all__ = [
    "MIN_SLICES",
    "ORIENTATION_TOLERANCE",
    "POSITION_TOLERANCE_MM",
    "SPACING_TOLERANCE_MM",
    "Stack",
    "group_stacks",
]

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine between parallel frames: 0.3 mm across a picture of 300 mm."""

SPACING_TOLERANCE_MM = 1e-3
"""Largest difference of pixel spacing between frames of one stack."""

POSITION_TOLERANCE_MM = 0.1
"""Frames nearer than this along the normal are one slice."""

MIN_SLICES = 3
"""A short-axis stack has at least so many parallel slices; fewer make a localiser or a long-axis view."""

_PHASES_ALIKE = 0.5
"""Series of one cine have about as many phases each: the smaller count at least this part of the larger."""


@dataclass(frozen=True)
class Stack:
    """Parallel frames of one geometry.

    Attributes:
        frames: the frames, in the order read.
    """

    frames: tuple[Frame, ...]

    @cached_property
    def normal(self) -> np.ndarray:
        """Unit normal of the slices, LPS (3)."""
        return plane_normal(self.frames[0].orientation)

    @cached_property
    def slices(self) -> tuple[tuple[float, tuple[Frame, ...]], ...]:
        """(position in mm, frames there), by ascending position along the normal."""
        distances = np.array([frame.position for frame in self.frames]) @ self.normal
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

    @property
    def is_oblique(self) -> bool:
        """Whether the slices are more than 10 degrees off the axial, coronal and sagittal planes."""
        return bool(np.abs(self.normal).max() < np.cos(np.deg2rad(10.0)))

    def overlaps(self, other: Stack) -> bool:
        """Whether any slice lies at a position of the other stack."""
        mine = np.array([mm for mm, _ in self.slices])
        theirs = np.array([mm for mm, _ in other.slices])
        return bool((np.abs(mine[:, None] - theirs[None, :]) <= POSITION_TOLERANCE_MM).any())

    def joined(self, other: Stack) -> Stack:
        """The frames of both."""
        return Stack(self.frames + other.frames)


def group_stacks(frames: Sequence[Frame]) -> list[Stack]:
    """Sort the frames of a study into stacks, the largest first.

    Args:
        frames: any frames; none give an empty list.
    """
    stacks: list[Stack] = []
    for group in _of_one_geometry(frames):
        pieces = _pieces(group)
        stacks += _join_slices([piece for piece in pieces if piece.n_phases > 1])
        stacks += _join_phases([piece for piece in pieces if piece.n_phases == 1])
    return sorted(stacks, key=lambda stack: (-len(stack.frames), stack.series))


def _of_one_geometry(frames: Iterable[Frame]) -> list[list[Frame]]:
    groups: list[list[Frame]] = []
    known: dict[tuple[object, ...], list[Frame]] = {}
    for frame in frames:
        key = (frame.orientation, frame.pixel_spacing, frame.rows, frame.columns, frame.variant)
        if key not in known:
            known[key] = next((group for group in groups if _alike(group[0], frame)), [])
            if not known[key]:
                groups.append(known[key])
        known[key].append(frame)
    return groups


def _alike(a: Frame, b: Frame) -> bool:
    return (
        (a.rows, a.columns, a.variant) == (b.rows, b.columns, b.variant)
        and a.is_parallel_to(b, tolerance=ORIENTATION_TOLERANCE)
        and np.abs(np.subtract(a.pixel_spacing, b.pixel_spacing)).max() <= SPACING_TOLERANCE_MM
    )


def _pieces(frames: Iterable[Frame]) -> list[Stack]:
    by_series: dict[tuple[str, str | None], list[Frame]] = defaultdict(list)
    for frame in frames:
        by_series[frame.series_uid, frame.stack_id].append(frame)
    pieces = [Stack(tuple(group)) for group in by_series.values()]
    return sorted(pieces, key=lambda piece: (-piece.n_slices, piece.series))


def _join_slices(pieces: Iterable[Stack]) -> list[Stack]:
    stacks: list[Stack] = []
    for piece in pieces:
        for index, stack in enumerate(stacks):
            counts = sorted((stack.n_phases, piece.n_phases))
            repeated = piece.n_slices == 1 and counts[0] == counts[1]
            if counts[0] >= _PHASES_ALIKE * counts[1] and (repeated or not stack.overlaps(piece)):
                stacks[index] = stack.joined(piece)
                break
        else:
            stacks.append(piece)
    return stacks


def _join_phases(pieces: Sequence[Stack]) -> list[Stack]:
    counted = {frame.cardiac_images for piece in pieces for frame in piece.frames} == {len(pieces)}
    stacks: list[Stack] = []
    for piece in pieces:
        for index, stack in enumerate(stacks):
            if counted or not _moments(stack) & _moments(piece):
                stacks[index] = stack.joined(piece)
                break
        else:
            stacks.append(piece)
    return stacks


def _moments(stack: Stack) -> set[tuple[object, ...]]:
    return {(round(mm, 1), frame.trigger_ms, frame.temporal_index) for mm, frames in stack.slices for frame in frames}
