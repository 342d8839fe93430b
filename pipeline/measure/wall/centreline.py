"""The wall between its contours: the line midway, the thickness across it, the length along it.

Contours are given along the rays of `measure.wall.rings`. A *chord* is a line across the wall at right angles to its
centreline.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from pipeline.measure.wall.rings import N_RAYS, RAYS

__all__ = ["about_epi_mm", "arcs_mm", "chords_mm", "midline_mm"]

_CENTRELINE_RAYS = 3.0
"""Standard deviation in rays of the smoothing of the centreline: 9 degrees, so that its direction follows the wall
rather than the pixels."""

_CHORD_REACH_RAYS = 15
"""A chord ends within 45 degrees of its own ray, unless the wall is several times as thick as the cavity is wide."""


def midline_mm(endo_mm: np.ndarray, epi_mm: np.ndarray) -> np.ndarray:
    """Distance along each ray of the line midway between the contours, smoothed, all (n, N_RAYS)."""
    middle: np.ndarray = gaussian_filter1d(0.5 * (endo_mm + epi_mm), _CENTRELINE_RAYS, axis=1, mode="wrap")
    return middle


def arcs_mm(outline_mm: np.ndarray) -> np.ndarray:
    """Length of outlines by ray: from halfway to the ray before to halfway to the one behind, all (n, N_RAYS).

    >>> float(arcs_mm(10.0 * np.ones((1, N_RAYS))).sum().round(2))
    62.82
    """
    points = outline_mm[..., None] * RAYS
    steps = np.linalg.norm(np.roll(points, -1, axis=1) - points, axis=-1)
    halves: np.ndarray = 0.5 * (steps + np.roll(steps, 1, axis=1))
    return halves


def about_epi_mm(endo_mm: np.ndarray, epi_mm: np.ndarray) -> np.ndarray:
    """Distance of the endo along rays from the centroid of what the epi encloses, rather than of the cavity.

    A wall that stands still while the others move in draws the cavity's centroid towards itself, and would seem to
    move; the epi's moves less.

    Args:
        endo_mm: (n, N_RAYS) of n rings.
        epi_mm: (n, N_RAYS).

    Returns:
        (n, N_RAYS). The centroid is that of a polygon (Bourke, Calculating the area and centroid of a polygon, 1988).
    """
    outline = epi_mm[..., None] * RAYS
    following = np.roll(outline, -1, axis=1)
    twice_area = outline[..., 0] * following[..., 1] - outline[..., 1] * following[..., 0]
    moment = ((outline + following) * twice_area[..., None]).sum(axis=1)
    points = endo_mm[..., None] * RAYS - (moment / (3.0 * twice_area.sum(axis=1)[:, None]))[:, None]
    turns = np.arctan2(points[..., 1], points[..., 0]) * (N_RAYS / (2.0 * np.pi))
    lengths, rays = np.hypot(points[..., 0], points[..., 1]), np.arange(N_RAYS)
    return np.stack([np.interp(rays, *known, period=N_RAYS) for known in zip(turns, lengths, strict=True)])


def chords_mm(endo_mm: np.ndarray, epi_mm: np.ndarray) -> np.ndarray:
    """Thickness of walls by the centreline method (Sheehan et al., Circulation 74:293, 1986).

    The centreline runs midway between the contours and is smoothed. At each ray a chord at right angles to it is drawn
    from the endo to the epi. Unlike distances along the rays, chords do not grow when the cavity is not round or does
    not lie in the middle.

    Args:
        endo_mm: (n, N_RAYS) of n rings.
        epi_mm: (n, N_RAYS), nowhere below `endo_mm`.

    Returns:
        (n, N_RAYS) mm, by the ray on which the chord crosses the centreline, at least 0.

    >>> circle = np.ones((1, N_RAYS))
    >>> float(chords_mm(20.0 * circle, 29.0 * circle).round(2).mean())
    9.0
    """
    points = midline_mm(endo_mm, epi_mm)[..., None] * RAYS
    tangent = np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)
    normal = np.stack([tangent[..., 1], -tangent[..., 0]], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    inner, outer = (_along_normal(points, normal, radii[..., None] * RAYS) for radii in (endo_mm, epi_mm))
    return np.maximum(outer - inner, 0.0)


def _along_normal(points: np.ndarray, normal: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Signed distance from each point along its normal to the nearest crossing of an outline, all (n, N_RAYS, 2).

    Crossings are looked for near a point's own ray, where they are, and only where none is, in the whole outline.
    """
    distance = _nearest_crossing(points, normal, outline, reach=_CHORD_REACH_RAYS)
    lost = ~np.isfinite(distance).all(axis=1)
    if lost.any():
        distance[lost] = _nearest_crossing(points[lost], normal[lost], outline[lost], reach=N_RAYS // 2)
    return distance


def _nearest_crossing(points: np.ndarray, normal: np.ndarray, outline: np.ndarray, *, reach: int) -> np.ndarray:
    """The same among the edges up to `reach` rays away, infinite where none is crossed."""
    corners = (np.arange(N_RAYS)[:, None] + np.arange(-reach, reach + 1)) % N_RAYS
    here = outline[:, corners] - points[:, :, None]  # (n, points, corners, 2)
    sides = normal[:, :, None, 0] * here[..., 1] - normal[:, :, None, 1] * here[..., 0]
    along = (here * normal[:, :, None]).sum(axis=-1)
    crosses = (sides[..., :-1] > 0) != (sides[..., 1:] > 0)
    step = sides[..., :-1] - sides[..., 1:]
    share = np.divide(sides[..., :-1], step, out=np.zeros_like(step), where=crosses)
    found = along[..., :-1] + share * (along[..., 1:] - along[..., :-1])
    distance = np.where(crosses, found, np.inf)
    nearest = np.abs(distance).argmin(axis=2)[..., None]
    return np.take_along_axis(distance, nearest, axis=2)[..., 0]
