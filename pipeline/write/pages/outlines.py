"""Smooth outlines of masks as vector paths.

The border of a mask is a staircase of pixel edges, while the true border runs somewhere between the pixels' centres. An
*outline* is a smooth closed curve along the staircase that encloses the area that was measured: within half a pixel of
it, at sharp tips within one. It is an SVG path in hundredths of a pixel, whose origin is the upper left corner of the
tile.
"""

from __future__ import annotations

import numpy as np
from skimage.measure import find_contours

__all__ = ["UNITS_PER_PIXEL", "outline_path", "outline_rings"]

UNITS_PER_PIXEL = 100
"""A quarter of a screen's pixel at the highest zoom."""

_STIFFNESS = 100.0
"""Weight of the second differences: halves waves of 20 points, which a staircase makes, and keeps longer ones."""

_SHAPE_LOSS = 0.03
"""Share of its second harmonic, which makes a circle an ellipse, that a small ring may lose: smaller ones bend more."""

_REACH = 0.5
"""Pixels: no point may move to the other side of a pixel's centre."""

_KNOT_PIXELS, _FEWEST_KNOTS = 3.5, 8


def outline_path(mask: np.ndarray) -> str:
    """Draw a mask's border as smooth rings.

    Args:
        mask: (X, Y) bool.

    Returns:
        An SVG path in hundredths of a pixel, x along the first axis. Pixel (0, 0) has its centre at (50, 50). One
        closed ring of quadratic curves for each piece and each hole. Each encloses its pixels' area. Empty if the mask
        is.
    """
    return "".join(map(_ring_path, _trace(mask)))


def outline_rings(mask: np.ndarray) -> list[np.ndarray]:
    """Points (N, 2) along the outlines of `outline_path` in pixels, a ring for each piece and each hole."""
    return [
        np.stack([_joints(knots), (6.0 * knots + _before(knots) + _after(knots)) / 8.0], axis=1).reshape(-1, 2)
        for knots in _trace(mask)
    ]


def _trace(mask: np.ndarray) -> list[np.ndarray]:
    """Knots (N, 2) of each ring, in pixels from the corner of the first one."""
    hit = np.argwhere(mask)
    if not hit.size:
        return []
    first, last = hit.min(axis=0), hit.max(axis=0) + 1
    cut = np.pad(mask[first[0] : last[0], first[1] : last[1]], 1).astype(np.float32)
    return [_smooth_ring(ring[:-1]) + first - 0.5 for ring in find_contours(cut, 0.5)]


def _smooth_ring(ring: np.ndarray) -> np.ndarray:
    """Knots of the smooth curve along the midpoints (N, 2) between neighbours inside and outside of a mask.

    Marching squares cut off an eighth of a pixel at each outer corner and add as much at each inner one. A closed
    staircase has four more of the former, so its pixels have half a pixel more than the ring encloses.
    """
    shift = _whittaker(ring) - ring
    length = np.linalg.norm(shift, axis=1, keepdims=True)
    knots = _spline_knots(ring + shift * np.minimum(1.0, _REACH / np.maximum(length, 1e-9)))
    area = _polygon_area(ring)
    wanted = area + np.copysign(0.5, area)
    for _ in range(2):  # the second corrects for the change of the perimeter
        knots = knots + (wanted - _spline_area(knots)) / _perimeter(knots) * _normals(knots)
    return knots


def _whittaker(ring: np.ndarray) -> np.ndarray:
    """Smooth a closed ring (N, 2) by Whittaker's method (Eilers, Anal Chem 75:3631, 2003), solved by Fourier series."""
    waves = np.arange(len(ring) // 2 + 1)
    bend = (2.0 * np.sin(np.pi * waves / len(ring))) ** 4
    stiffness = min(_STIFFNESS, _SHAPE_LOSS / bend[min(2, len(bend) - 1)])
    smooth: np.ndarray = np.fft.irfft(np.fft.rfft(ring, axis=0) / (1.0 + stiffness * bend)[:, None], len(ring), axis=0)
    return smooth


def _spline_knots(ring: np.ndarray) -> np.ndarray:
    """Knots of the quadratic B-spline through evenly spaced points of a ring, each amid a piece of the curve."""
    closed = np.vstack([ring, ring[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    n_knots = max(_FEWEST_KNOTS, round(along[-1] / _KNOT_PIXELS))
    places = np.arange(n_knots) / n_knots * along[-1]
    points = np.stack([np.interp(places, along, column) for column in closed.T], axis=1)
    middle = (6.0 + 2.0 * np.cos(2.0 * np.pi * np.arange(n_knots // 2 + 1) / n_knots)) / 8.0
    knots: np.ndarray = np.fft.irfft(np.fft.rfft(points, axis=0) / middle[:, None], n_knots, axis=0)
    return knots


def _polygon_area(points: np.ndarray) -> float:
    """Shoelace formula, signed by the direction of the ring."""
    x, y = points.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def _spline_area(knots: np.ndarray) -> float:
    """Signed area within the closed quadratic B-spline, which leaves out a third of each corner of its polygon."""
    before, after = (_before(knots) - knots) / 2, (_after(knots) - knots) / 2
    corners = 0.5 * (after[:, 0] * before[:, 1] - after[:, 1] * before[:, 0])
    return _polygon_area(knots) - float(corners.sum()) / 3


def _perimeter(points: np.ndarray) -> float:
    return float(np.linalg.norm(points - _before(points), axis=1).sum())


def _normals(knots: np.ndarray) -> np.ndarray:
    """Unit vectors to the side that makes the signed area larger."""
    along = _after(knots) - _before(knots)
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    normals: np.ndarray = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    return normals


def _ring_path(knots: np.ndarray) -> str:
    """The closed uniform quadratic B-spline of some knots: its pieces meet half-way between them."""
    corners = np.round(UNITS_PER_PIXEL * knots).astype(int)
    starts = np.round(UNITS_PER_PIXEL * _joints(knots)).astype(int)
    steps = np.hstack([corners - starts, _after(starts) - starts])
    text = " ".join(f"{a} {b} {c} {d}" for a, b, c, d in steps.tolist())
    return f"M{starts[0, 0]} {starts[0, 1]}q{text}z"


def _joints(knots: np.ndarray) -> np.ndarray:
    """Where the piece around each knot starts."""
    joints: np.ndarray = (_before(knots) + knots) / 2
    return joints


def _before(points: np.ndarray) -> np.ndarray:
    return np.roll(points, 1, axis=0)


def _after(points: np.ndarray) -> np.ndarray:
    return np.roll(points, -1, axis=0)
