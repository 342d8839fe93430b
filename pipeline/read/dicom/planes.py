"""Where the slices of a stack lie: one grid fitted to all of them, and how far each is off it.

Slices planned anew between breath-holds tilt, shift and come nearer to a neighbour by a little. They are kept as they
are, up to stated limits: the grid is fitted to the centres of all slices, and each slice stands for its true share of
the stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import HeaderError, LatticeError
from pipeline.core.geometry import affine_from_dicom
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.stacks import MAX_TILT_DEG, POSITION_TOLERANCE_MM, Stack

__all__ = [
    "MAX_GAP",
    "MAX_SHEAR_DEG",
    "MAX_SHIFT_MM",
    "MIN_GAP",
    "STEP_TOLERANCE_MM",
    "Planes",
    "fit_planes",
    "place_mm",
]

STEP_TOLERANCE_MM = 0.5
"""How far a slice may lie from its place in an evenly spaced stack and still count as there; never more than a tenth of
the step."""

MAX_SHIFT_MM = 15.0
"""How far a slice may be shifted within its plane: the heart is still in the picture where the network looks for it."""

MAX_SHEAR_DEG = 10.0
"""How far the way from slice to slice may lean against the normal. Stacks are planned square to their slices; one that
leans by more has lost a coordinate of its positions, and with it a part of its volume."""

MIN_GAP, MAX_GAP = 0.5, 1.5
"""Distance between neighbouring slices over the usual one. Nearer slices are one acquired twice; further apart, a slice
is missing."""

_NOTED_TILT_DEG = 0.1

_DISTANCES = (0.45, 3.5)
"""Distance of slices over their thickness. They overlap by a half at most, and gaps are no wider than two slices."""


@dataclass(frozen=True)
class Planes:
    """The grid of a stack.

    Attributes:
        affine: (4, 4), voxel index to RAS+ mm, fitted to the slices' planes.
        spans_mm: length of the stack that each slice stands for; `None` where all stand for the slice distance.
        notes: how the slices differ from the grid, in sentences.
    """

    affine: np.ndarray
    spans_mm: tuple[float, ...] | None
    notes: tuple[str, ...]


def fit_planes(slices: Sequence[Sequence[Frame]], *, allow_gaps: bool = False) -> Planes:
    """Fit a grid to slices in order of their position.

    A line is fitted to the slices' centres over their positions along the normal by least squares, so that shear is
    kept, and the positions over their number, so that no single slice decides the step. Where a slice is off its even
    place by more than `STEP_TOLERANCE_MM`, each slice stands for half the distances to its neighbours; the outer half
    of the first and the last is half the usual distance.

    Args:
        slices: the frames of each slice, one at least.
        allow_gaps: whether slices may be missing in between; their neighbours then stand for them.

    Raises:
        LatticeError: a slice is missing, or tilts or lies off by more than the limits; or frames of a slice lie apart.
        HeaderError: a single slice without SpacingBetweenSlices and SliceThickness.
    """
    stack = Stack(tuple(frame for frames in slices for frame in frames))
    first = slices[0][0]
    centres = np.array([_centre(frames, stack.normal) for frames in slices])
    if len(slices) == 1:
        step, notes = _step_of_single_slice(first, stack.normal)
        return Planes(_affine(stack, centres[0], step), None, notes)
    positions = centres @ stack.normal
    gaps = np.diff(positions)
    if not allow_gaps:
        _refuse_gaps(positions, first)
    line, place = _fit_line(positions, centres)
    slope, start = _fit_line(np.arange(len(positions)), positions[:, None])
    step = line * float(slope[0])
    shifts = np.linalg.norm(centres - (place + positions[:, None] * line), axis=1)
    notes = (*_note_tilt(slices, stack), *_note_shift(shifts, slices))
    _refuse_shear(line, first)
    is_even = _off_even(positions) <= min(STEP_TOLERANCE_MM, 0.1 * float(np.median(gaps)))
    notes += _note_stated(first, float(np.linalg.norm(step))) if is_even else (_tell_gaps(gaps),)
    affine = _affine(stack, place + float(start[0]) * line, step)
    return Planes(affine, None if is_even else _spans_mm(gaps), notes)


def _fit_line(x: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and value at 0 of the straight line through points (N, K) over x (N), by least squares."""
    away = x - x.mean()
    slope = away @ (points - points.mean(axis=0)) / (away @ away)
    return slope, points.mean(axis=0) - x.mean() * slope


def _off_even(positions: np.ndarray) -> float:
    """How far the worst slice is off its place in a stack that is even from its first to its last slice, in mm."""
    even = np.linspace(positions[0], positions[-1], len(positions))
    return float(np.abs(positions - even).max())


def _spans_mm(gaps: np.ndarray) -> tuple[float, ...]:
    """Length each slice stands for, by Simpson's rule of discs between the middles of the gaps.

    >>> _spans_mm(np.array([8.0, 8.0, 6.0]))
    (8.0, 8.0, 7.0, 7.0)
    """
    halves = np.concatenate([[np.median(gaps)], gaps, [np.median(gaps)]]) / 2
    return tuple((halves[:-1] + halves[1:]).tolist())


def _centre(frames: Sequence[Frame], normal: np.ndarray) -> np.ndarray:
    centres = np.array([frame.centre for frame in frames])
    centre: np.ndarray = centres.mean(axis=0)
    far = np.linalg.norm(centres - centre, axis=1)
    if far.max() > POSITION_TOLERANCE_MM:
        raise LatticeError(
            f"frames of the slice at {place_mm(float(centre @ normal))} mm must share one ImagePositionPatient, got "
            f"{far.max():.1f} mm apart",
            frames[int(far.argmax())].path,
        )
    return centre


def _affine(stack: Stack, centre: np.ndarray, step: np.ndarray) -> np.ndarray:
    """RAS+ affine of a grid whose first slice has its middle at `centre`, LPS mm."""
    frame = stack.frames[0]
    rows, columns = np.reshape(stack.orientation, (2, 3))
    between_rows, between_columns = frame.pixel_spacing
    to_corner = rows * between_columns * (frame.columns - 1) / 2 + columns * between_rows * (frame.rows - 1) / 2
    return affine_from_dicom(
        position=(centre - to_corner).tolist(),
        orientation=stack.orientation,
        pixel_spacing=frame.pixel_spacing,
        slice_step=step.tolist(),
    )


def _step_of_single_slice(frame: Frame, normal: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    for name, value in (
        ("SpacingBetweenSlices", frame.slice_spacing_mm),
        ("SliceThickness", frame.slice_thickness_mm),
    ):
        if value is not None and value > 0:
            return normal * value, (f"one slice only: its distance is taken from {name}, {value:g} mm",)
    raise HeaderError("a single slice must state SpacingBetweenSlices or SliceThickness, got neither", frame.path)


def place_mm(along_normal: float) -> str:
    """A slice's place in a sentence, to a tenth of a millimetre and without a negative zero.

    >>> place_mm(-0.04), place_mm(-0.06)
    ('0.0', '-0.1')
    """
    return f"{round(along_normal, 1) + 0.0:.1f}"


def _refuse_gaps(positions: np.ndarray, first: Frame) -> None:
    gaps = np.diff(positions)
    usual = float(np.median(gaps))
    ratios = gaps / usual
    if ratios.min() >= MIN_GAP and ratios.max() < MAX_GAP:
        return
    worst = int(np.abs(gaps - usual).argmax())
    before, after = positions[worst], positions[worst + 1]
    lost = round(gaps[worst] / usual) - 1
    if lost >= 1 and abs(gaps[worst] - (lost + 1) * usual) <= 0.25 * usual:
        wanted = ", ".join(place_mm(before + (n + 1) * usual) for n in range(lost))
        raise LatticeError(
            f"slices must be complete, got none at {wanted} mm along the normal: between {place_mm(before)} and "
            f"{place_mm(after)} mm lie {gaps[worst]:.1f} mm, elsewhere {usual:.1f} mm; --drop-incomplete measures "
            "without them",
            first.path.parent,
        )
    raise LatticeError(
        f"distances between slices must be {MIN_GAP:g} to {MAX_GAP:g} times the usual {usual:.2f} mm, got "
        f"{gaps.min():.2f} to {gaps.max():.2f} mm; the one from {place_mm(before)} to {place_mm(after)} mm "
        "differs most",
        first.path.parent,
    )


def _refuse_shear(line: np.ndarray, first: Frame) -> None:
    """Refuse a stack that leans; `line` is the way in mm that the centres go for each mm along the normal."""
    lean_deg = float(np.rad2deg(np.arccos(min(1.0, 1.0 / float(np.linalg.norm(line))))))
    if lean_deg > MAX_SHEAR_DEG:
        raise LatticeError(
            f"slices must follow one another along their normal within {MAX_SHEAR_DEG:g} degrees, got {lean_deg:.0f}: "
            "ImagePositionPatient or ImageOrientationPatient has lost a coordinate",
            first.path.parent,
        )


def _note_tilt(slices: Sequence[Sequence[Frame]], stack: Stack) -> tuple[str, ...]:
    tilts = [frames[0].tilt_deg(stack.orientation) for frames in slices]
    worst = max(tilts)
    if worst > MAX_TILT_DEG:
        frame = slices[tilts.index(worst)][0]
        raise LatticeError(
            f"slices of one stack must be parallel within {MAX_TILT_DEG:g} degrees, got one tilted by {worst:.1f}; "
            "name a series to read it alone",
            frame.path,
        )
    if worst <= _NOTED_TILT_DEG:
        return ()
    return (
        f"slices tilt by up to {worst:.1f} degrees against the stack (limit {MAX_TILT_DEG:g}): "
        "each keeps its own plane, the grid is fitted to all",
    )


def _note_shift(shifts: np.ndarray, slices: Sequence[Sequence[Frame]]) -> tuple[str, ...]:
    worst = int(shifts.argmax())
    if shifts[worst] > MAX_SHIFT_MM:
        raise LatticeError(
            f"slices of one stack may be shifted within their planes by {MAX_SHIFT_MM:g} mm, got one shifted by "
            f"{shifts[worst]:.1f} mm",
            slices[worst][0].path,
        )
    if shifts[worst] <= STEP_TOLERANCE_MM:
        return ()
    return (f"slices are shifted within their planes by up to {shifts[worst]:.1f} mm (limit {MAX_SHIFT_MM:g})",)


def _tell_gaps(gaps: np.ndarray) -> str:
    return (
        f"slices are {gaps.min():.2f} to {gaps.max():.2f} mm apart: volumes count each slice with its true share of "
        "the stack, label maps are stored at the mean distance"
    )


def _note_stated(frame: Frame, distance_mm: float) -> tuple[str, ...]:
    stated, thickness = frame.slice_spacing_mm, frame.slice_thickness_mm
    if stated is None and thickness and not _DISTANCES[0] <= distance_mm / thickness <= _DISTANCES[1]:
        return (
            f"SliceThickness says {thickness:g} mm, the slices are {distance_mm:.2f} mm apart: one of them is wrong",
        )
    if stated is None or abs(stated - distance_mm) <= STEP_TOLERANCE_MM:
        return ()
    return (f"SpacingBetweenSlices says {stated:g} mm, the positions {distance_mm:.2f} mm: the positions count",)
