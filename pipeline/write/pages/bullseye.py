"""The 17 segments of the left ventricle as a bull's eye, as the numbers of a vector drawing.

Layout of Cerqueira et al., Circulation 105:539, 2002: base outside, apex in the middle, anterior wall on top, septum on
the left. The drawing is a square of `SIZE`, its centre in the middle, y down. Colours run over a fixed range, so that
two studies can be compared. They are not reference ranges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["DISPLACEMENT", "SIZE", "STRAIN", "THICKENING", "THICKNESS", "Sector", "Shades", "sectors"]

SIZE = 260
_CENTRE, _RADIUS = SIZE / 2, 124.0
_RINGS = ((6, 0.75, 1.0), (6, 0.5, 0.75), (4, 0.25, 0.5))
"""Number of segments, inner and outer radius as a share: base, middle, apical third. The apex fills the centre."""


@dataclass(frozen=True)
class Shades:
    """Colours of a quantity.

    Attributes:
        low: value of the first colour.
        high: value of the last. Beyond either end the colour stays.
        colours: two or more (red, green, blue), evenly spaced from `low` to `high`.
        digits: decimals shown.
    """

    low: float
    high: float
    colours: tuple[tuple[int, int, int], ...]
    digits: int

    def colour(self, value: float) -> str:
        """Colour of a value as CSS has it.

        >>> Shades(0.0, 10.0, ((0, 0, 0), (200, 100, 50)), 0).colour(5.0)
        '#643219'
        """
        place = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0) * (len(self.colours) - 1)
        first = min(int(place), len(self.colours) - 2)
        mixed = (
            round(a + (place - first) * (b - a))
            for a, b in zip(self.colours[first], self.colours[first + 1], strict=True)
        )
        return "#" + "".join(f"{part:02x}" for part in mixed)


THICKNESS = Shades(0.0, 20.0, ((250, 252, 255), (92, 150, 210)), 1)
"""Colours of the wall in mm. Dark text is legible on all of them."""

THICKENING = Shades(-100.0, 100.0, ((226, 132, 60), (252, 252, 250), (88, 168, 112)), 0)
"""In percent: thinning and thickening in two hues that meet in white at 0."""

DISPLACEMENT = Shades(-12.0, 12.0, THICKENING.colours, 1)
"""In mm, outward and inward."""

STRAIN = Shades(-30.0, 30.0, THICKENING.colours[::-1], 0)
"""In percent. A wall that contracts has a negative one, in the colour of one that thickens."""


@dataclass(frozen=True)
class Sector:
    """One segment as drawn.

    Attributes:
        segment: number, 1 to 17.
        path: SVG path of its outline.
        x: centre of its text.
        y: centre of its text.
        colour: CSS, or empty if not measured.
        text: its figure, or empty if not measured.
        title: the segment's name and value in words.
    """

    segment: int
    path: str
    x: float
    y: float
    colour: str
    text: str
    title: str


def sectors(segments: Sequence[Mapping[str, Any]], key: str, shades: Shades, *, unit: str) -> list[Sector]:
    """Draw one quantity of the wall.

    Args:
        segments: `wall.segments` of the measurements.
        key: "ed_mm", "es_mm" or "thickening_percent".
        shades: its colours.
        unit: for the titles.

    Returns:
        All 17 segments in order. One that is missing from `segments` counts as not measured.
    """
    values = {row["segment"]: row.get(key) for row in segments}
    names = {row["segment"]: row.get("name", "") for row in segments}
    drawn = []
    for segment, (path, x, y) in enumerate(_shapes(), start=1):
        value = values.get(segment)
        text = "" if value is None else f"{round(value, shades.digits) + 0.0:.{shades.digits}f}"  # no minus zero
        name = f"segment {segment}, {names[segment]}" if names.get(segment) else f"segment {segment}"
        title = f"{name}: {text} {unit}" if text else f"{name}: not measured"
        drawn.append(Sector(segment, path, x, y, "" if value is None else shades.colour(value), text, title))
    return drawn


def _shapes() -> list[tuple[str, float, float]]:
    """Path and middle of segments 1 to 17."""
    shapes = []
    for count, inner, outer in _RINGS:
        width = 360.0 / count
        for n in range(count):
            start = 90.0 - width / 2 + n * width  # anterior on top, then through the septum on the left
            middle = _point(start + width / 2, 0.5 * (inner + outer))
            shapes.append((_arc_path(start, start + width, inner, outer), *middle))
    radius = _RINGS[-1][1] * _RADIUS
    right, left = (f"{_CENTRE + side * radius:g} {_CENTRE:g}" for side in (1, -1))
    half_turn = f"A{radius:g} {radius:g} 0 1 0"
    return [*shapes, (f"M{right}{half_turn} {left}{half_turn} {right}Z", _CENTRE, _CENTRE)]


def _arc_path(start: float, end: float, inner: float, outer: float) -> str:
    """A piece of a ring between two angles, counter-clockwise from the right."""
    corners = [_point(start, outer), _point(end, outer), _point(end, inner), _point(start, inner)]
    a, b, c, d = (f"{x:g} {y:g}" for x, y in corners)
    far, near = outer * _RADIUS, inner * _RADIUS
    return f"M{a}A{far:g} {far:g} 0 0 0 {b}L{c}A{near:g} {near:g} 0 0 1 {d}Z"


def _point(angle_deg: float, share: float) -> tuple[float, float]:
    """Place at an angle counter-clockwise from the right, at a share of the radius."""
    angle = math.radians(angle_deg)
    x, y = _CENTRE + share * _RADIUS * math.cos(angle), _CENTRE - share * _RADIUS * math.sin(angle)
    return round(x, 2), round(y, 2)
