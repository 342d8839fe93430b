"""Motion of the wall over the beat as small vector drawings: a row a quantity, a column a third of the ventricle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from pipeline.core.wall import Curve, Motion, SegmentMotion
from pipeline.write.pages.charts import Mark, Tick

__all__ = ["HEIGHT", "WIDTH", "MotionLine", "Panel", "motion_panels"]

WIDTH, HEIGHT = 240, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 236, 14, 114

_QUANTITIES = (
    ("displacement_mm", "Inward displacement", "mm"),
    ("thickening_percent", "Thickening", "%"),
    ("strain_percent", "Circumferential strain", "%"),
)
_LEVELS = {"basal": range(1, 7), "mid": range(7, 13), "apical": range(13, 18)}


@dataclass(frozen=True)
class MotionLine:
    """One segment's curve.

    Attributes:
        wall: which wall it is of, as "anterior", for its colour.
        path: SVG path, interrupted where nothing was measured.
        title: the segment and its peak in words.
    """

    wall: str
    path: str
    title: str


@dataclass(frozen=True)
class Panel:
    """The curves of one third of the ventricle.

    Attributes:
        title: quantity, unit and third.
        lines: one per segment that was measured at two phases or more.
        y_ticks: of the quantity's axis, the same in all panels of a row.
        marks: named phases.
        frame: (left, right, top, bottom).
        zero: y of 0.
    """

    title: str
    lines: tuple[MotionLine, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    zero: float
    frame: tuple[int, int, int, int] = (_LEFT, _RIGHT, _TOP, _BOTTOM)


def motion_panels(
    motion: Motion, *, times_ms: Sequence[float] | None = None, marks: Mapping[str, int] | None = None
) -> list[list[Panel]]:
    """Lay the segments' curves out over the beat.

    Args:
        motion: of the wall.
        times_ms: time of each phase; without them phases lie evenly.
        marks: text -> phase (0-based).

    Returns:
        A row of panels, base to apex, for each quantity of which any curve was measured.
    """
    rows = []
    for key, title, unit in _QUANTITIES:
        known = [value for segment in motion.segments for value in getattr(segment, key).values if value is not None]
        if not known:
            continue
        ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(min(0.0, *known), max(0.0, *known))
        y_range = float(ticks[0]), float(ticks[-1])
        xs = _along(len(motion.segments[0].strain_percent.values), times_ms)
        rows.append(
            [
                Panel(
                    title=f"{title}, {unit}: {level}",
                    lines=_lines(motion.segments, numbers, key, xs=xs, y_range=y_range, unit=unit),
                    y_ticks=tuple(Tick(_height(float(tick), y_range), f"{tick:g}") for tick in ticks),
                    marks=tuple(Mark(xs[phase], text) for text, phase in (marks or {}).items()),
                    zero=_height(0.0, y_range),
                )
                for level, numbers in _LEVELS.items()
            ]
        )
    return rows


def _lines(
    segments: Sequence[SegmentMotion],
    numbers: range,
    key: str,
    *,
    xs: list[float],
    y_range: tuple[float, float],
    unit: str,
) -> tuple[MotionLine, ...]:
    lines = []
    for segment in segments:
        curve: Curve = getattr(segment, key)
        if segment.segment not in numbers or sum(value is not None for value in curve.values) < 2:
            continue
        peak = "" if curve.peak is None else f": peak {curve.peak:.1f} {unit}"
        title = f"segment {segment.segment}, {segment.name}{peak}"
        lines.append(MotionLine(segment.name.split(" ", 1)[-1], _path(curve.values, xs, y_range), title))
    return tuple(lines)


def _path(values: Sequence[float | None], xs: list[float], y_range: tuple[float, float]) -> str:
    text, gap = "", True
    for x, value in zip(xs, values, strict=True):
        if value is not None:
            text += f"{'M' if gap else 'L'}{x:g} {_height(value, y_range):g}"
        gap = value is None
    return text


def _along(n_phases: int, times_ms: Sequence[float] | None) -> list[float]:
    places = np.arange(n_phases) if times_ms is None else np.asarray(times_ms, dtype=float)
    share = (places - places[0]) / max(float(places[-1] - places[0]), 1e-9)
    along: list[float] = np.round(_LEFT + share * (_RIGHT - _LEFT), 1).tolist()
    return along


def _height(value: float, y_range: tuple[float, float]) -> float:
    low, high = y_range
    return round(_BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP), 1)
