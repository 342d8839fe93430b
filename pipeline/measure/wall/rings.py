"""The left ventricle's wall in one short-axis slice: its contours and its thickness.

Terms: a *frame* is a 2x2 matrix from index (i, j) to mm in the slice's plane, to the right and down as the slice is
seen from the apex. A *ray* is a half-line from the cavity's centroid. Ray n points at 360 n / N_RAYS degrees from right
towards down. *endo* and *epi* are the contours of the cavity and of cavity and wall together, each as its distance
along every ray. A *chord* is a line across the wall at right angles to its centreline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from skimage.measure import find_contours

from pipeline.core.geometry import APEX_TO_BASE_LPS, Grid, flip_ras_lps, slice_normal
from pipeline.core.labels import LV, MYO, RV

__all__ = ["N_RAYS", "RAYS", "Ring", "frame_from_apex", "septal_arc", "trace_ring"]

N_RAYS = 120

MIN_ALONG_AXIS = 0.3
"""Cosine between the slices' normal and the heart's usual axis below which the view is unknown: more than 72 degrees
apart, which no short-axis stack is."""

_CONTACT_PIXELS = 2.0
"""Right cavity this close outside the epi touches the septum, since experts sometimes leave a pixel between."""

_SEPTUM_DEG = (30.0, 200.0)
"""Arcs of contact that can be a septum. A smaller one is the tip of the right ventricle, which is not informative."""

_ANGLES = 2.0 * np.pi * np.arange(N_RAYS) / N_RAYS
RAYS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
"""(N_RAYS, 2) unit vectors of the rays."""


@dataclass(frozen=True, eq=False)
class Ring:
    """The wall of one slice.

    Attributes:
        centre: the cavity's centroid, index (i, j).
        endo_mm: (N_RAYS,) distance of the endo along each ray.
        epi_mm: (N_RAYS,) distance of the epi.
        is_closed: whether the wall is at least half a pixel thick along every ray.
    """

    centre: np.ndarray
    endo_mm: np.ndarray
    epi_mm: np.ndarray
    is_closed: bool


def frame_from_apex(grid: Grid) -> np.ndarray | None:
    """Frame of a stack's slices, exact for sheared axes and pixels that are not square.

    Seen from the apex, right x down points away from the viewer, to the heart's base. Only the directions of i and j
    decide, so the order of the slices does not matter.

    Returns:
        (2, 2), or `None` if the slices' normal is nearly at right angles to the heart's usual axis.

    >>> frame_from_apex(Grid((4, 4, 4), np.diag([-1.5, 2.0, 8.0, 1.0]))).tolist()
    [[1.5, 0.0], [0.0, -2.0]]
    """
    along = float(slice_normal(flip_ras_lps(grid.affine)) @ APEX_TO_BASE_LPS)
    if abs(along) < MIN_ALONG_AXIS:
        return None
    frame = np.linalg.qr(grid.affine[:3, :2], mode="r")
    frame = frame * np.sign(np.diag(frame))[:, None]
    return frame * np.array([[1.0], [np.sign(along)]]) + 0.0


def trace_ring(labels: np.ndarray, frame: np.ndarray) -> Ring | None:
    """Trace endo and epi of a slice, between the pixels' centres.

    Args:
        labels: (X, Y) label map.
        frame: see the module.

    Returns:
        The contours, or `None` without left cavity or if its centroid lies outside it, as in a crescent.
    """
    cavity = labels == LV.value
    if not cavity.any():
        return None
    centre = np.argwhere(cavity).mean(axis=0)
    endo, epi = (_radii_mm(mask, centre, frame) for mask in (cavity, cavity | (labels == MYO.value)))
    if endo.min() == 0:
        return None
    return Ring(centre, endo, epi, is_closed=bool((epi - endo).min() >= 0.5 * _pixel_mm(frame)))


def septal_arc(labels: np.ndarray, ring: Ring, frame: np.ndarray) -> tuple[float, float] | None:
    """The arc over which the right cavity touches the wall, from one insertion to the other.

    It is the circle minus the longest stretch without contact, the free wall.

    Args:
        labels: (X, Y) label map.
        ring: its contours.
        frame: see the module.

    Returns:
        Angles in degrees of its first and last ray, the second above the first (beyond 360 when the arc crosses 0), or
        `None` without contact, or if the arc cannot be a septum.
    """
    touching = _touches(labels == RV.value, ring, frame)
    hits = np.flatnonzero(touching)
    if len(hits) == 0:
        return None
    gaps = np.diff(np.append(hits, hits[0] + N_RAYS))
    last = int(gaps.argmax())
    first_ray, n_rays = hits[(last + 1) % len(hits)], N_RAYS - gaps[last]
    step = 360.0 / N_RAYS
    if not _SEPTUM_DEG[0] <= n_rays * step <= _SEPTUM_DEG[1]:
        return None
    return float(first_ray * step), float((first_ray + n_rays) * step)


def _radii_mm(mask: np.ndarray, centre: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Distance of the longest contour of a mask along each ray, the farthest crossing, or 0 if a ray meets none."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    outlines = find_contours(np.pad(box, 1).astype(np.float32), 0.5)
    corner = np.array([rows[0] - 1, columns[0] - 1])
    return _farthest_crossings((max(outlines, key=len) + corner - centre) @ frame.T)


def _farthest_crossings(outline: np.ndarray) -> np.ndarray:
    """Distance of a closed outline's (n, 2) farthest crossing with each ray, or 0 if a ray meets none."""
    here, there = outline[:-1], outline[1:]
    starts, ends = (np.arctan2(p[:, 1], p[:, 0]) * (N_RAYS / (2.0 * np.pi)) for p in (here, there))
    turns = (ends - starts + N_RAYS / 2) % N_RAYS - N_RAYS / 2  # the shorter way, as a straight line goes
    first = np.ceil(np.minimum(starts, starts + turns)).astype(int)
    counts = np.maximum(np.floor(np.maximum(starts, starts + turns)).astype(int) - first + 1, 0)
    edges = np.repeat(np.arange(len(here)), counts)
    rays = (first[edges] + np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts)) % N_RAYS
    along, start = (there - here)[edges], here[edges]
    ray = RAYS[rays]
    turned = along[:, 0] * ray[:, 1] - along[:, 1] * ray[:, 0]
    distances = np.divide(
        along[:, 0] * -start[:, 1] + along[:, 1] * start[:, 0],
        -turned,
        out=(start * ray).sum(axis=1),  # an edge along the ray
        where=turned != 0,
    )
    radii = np.zeros(N_RAYS)
    np.maximum.at(radii, rays, distances)
    return radii


def _touches(right: np.ndarray, ring: Ring, frame: np.ndarray) -> np.ndarray:
    """Whether right cavity lies just outside the epi, by ray."""
    beyond = np.arange(0.5, _CONTACT_PIXELS + 0.25, 0.5) * _pixel_mm(frame)
    places = (ring.epi_mm[:, None] + beyond)[..., None] * RAYS[:, None]  # (N_RAYS, samples, 2) mm
    indices = ring.centre + places @ np.linalg.inv(frame).T
    found: np.ndarray = map_coordinates(right.astype(np.uint8), np.moveaxis(indices, -1, 0), order=0)
    return np.asarray(found.any(axis=1))


def _pixel_mm(frame: np.ndarray) -> float:
    """Side of a square as large as a pixel."""
    return float(np.sqrt(abs(np.linalg.det(frame))))
