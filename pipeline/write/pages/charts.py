"""Volume curves as the numbers of a vector drawing, which the page's template draws.

Places are in the drawing's own units, x to the right and y down, within `WIDTH` x `HEIGHT`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from pipeline.core.errors import GridError

__all__ = ["HEIGHT", "WIDTH", "Line", "Mark", "Tick", "VolumeChart", "volume_chart"]

WIDTH, HEIGHT = 560, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 545, 24, 244
"""The frame within the drawing. Axis titles and figures lie outside."""


@dataclass(frozen=True)
class Tick:
    """A tick on an axis: its position and text."""

    place: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A phase named in the chart, as ED: its place along x, and its text."""

    x: float
    text: str


@dataclass(frozen=True)
class Line:
    """One structure's volumes.

    Attributes:
        name: structure's name.
        points: (x, y) of each phase.
        texts: text of each point, for screen readers.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    texts: tuple[str, ...]

    @property
    def path(self) -> str:
        """SVG path through the points."""
        return _path(self.points)


@dataclass(frozen=True)
class VolumeChart:
    """Everything that the template draws.

    Attributes:
        lines: one per structure.
        curve: SVG path of the smoothed volumes from which ED and ES were taken, or empty if there is none.
        marks: named phases.
        x_ticks: of the time axis.
        y_ticks: of the volume axis.
        x_title: title of the x axis, with its unit.
        xs: x of each phase.
        frame: (left, right, top, bottom).
    """

    lines: tuple[Line, ...]
    curve: str
    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_title: str
    xs: tuple[float, ...]
    frame: tuple[int, int, int, int] = (_LEFT, _RIGHT, _TOP, _BOTTOM)


def volume_chart(
    volumes_ml: Mapping[str, Sequence[float]],
    *,
    times_ms: Sequence[float] | None = None,
    curve_ml: Sequence[float] | None = None,
    marks: Mapping[str, int] | None = None,
) -> VolumeChart:
    """Lay volumes out over the phases, from 0 ml up.

    Args:
        volumes_ml: structure's name -> T volumes, T of 2 or more.
        times_ms: time of each phase. Without them x is the phase's number, from 1.
        curve_ml: T smoothed volumes of the left ventricle.
        marks: text -> phase (0-based).

    Raises:
        GridError: rows of different length, or fewer than 2 phases.
    """
    lengths = {len(row) for row in (*volumes_ml.values(), *(row for row in (times_ms, curve_ml) if row is not None))}
    if len(lengths) != 1 or min(lengths) < 2:
        raise GridError(f"a volume chart needs rows of one length, 2 or more, got lengths {sorted(lengths)}")
    values = list(range(1, lengths.pop() + 1)) if times_ms is None else list(times_ms)
    top = max(1.0, *(max(row) for row in volumes_ml.values()), *(curve_ml or ()))
    x_range = (1.0, float(len(values))) if times_ms is None else (min(0.0, values[0]), float(values[-1]))
    y_values = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, top)
    xs = _place(values, x_range, (_LEFT, _RIGHT))
    y_range = (0.0, float(y_values[-1]))
    ys = {name: _place(row, y_range, (_BOTTOM, _TOP)) for name, row in volumes_ml.items()}
    curve = () if curve_ml is None else zip(xs, _place(curve_ml, y_range, (_BOTTOM, _TOP)), strict=True)
    return VolumeChart(
        lines=tuple(
            Line(name, tuple(zip(xs, ys[name], strict=True)), _texts(row, times_ms)) for name, row in volumes_ml.items()
        ),
        curve=_path(tuple(curve)),
        marks=tuple(Mark(xs[phase], text) for text, phase in (marks or {}).items()),
        x_ticks=_ticks(x_range, (_LEFT, _RIGHT), whole=times_ms is None),
        y_ticks=_ticks(y_range, (_BOTTOM, _TOP)),
        x_title="phase" if times_ms is None else "time after the R wave, ms",
        xs=xs,
    )


def _place(values: Sequence[float], range_: tuple[float, float], ends: tuple[float, float]) -> tuple[float, ...]:
    """Where values lie along an axis, to a tenth of a unit."""
    low, high = range_
    share = (np.asarray(values, dtype=float) - low) / (high - low)
    return tuple(np.round(ends[0] + share * (ends[1] - ends[0]), 1).tolist())


def _ticks(range_: tuple[float, float], ends: tuple[float, float], *, whole: bool = False) -> tuple[Tick, ...]:
    low, high = range_
    values = MaxNLocator(5 if not whole else 10, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    inside = [float(value) for value in values if low <= value <= high * (1 + 1e-9)]
    return tuple(Tick(x, f"{value:g}") for x, value in zip(_place(inside, range_, ends), inside, strict=True))


def _texts(row: Sequence[float], times_ms: Sequence[float] | None) -> tuple[str, ...]:
    when = [""] * len(row) if times_ms is None else [f", {time:.0f} ms" for time in times_ms]
    return tuple(f"phase {n}{time}: {ml:.1f} ml" for n, (ml, time) in enumerate(zip(row, when, strict=True), start=1))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if points else ""
