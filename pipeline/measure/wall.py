"""Wall thickness of the left ventricle in the 17 segments of the American Heart Association.

Segments and their numbers are those of Cerqueira et al., Circulation 105:539, 2002: thirds of the ventricle from base
to apex; six arcs of 60 degrees in the basal and the middle one, four of 90 in the apical one; the apex itself (17) is
not measured in a short-axis stack. Arcs are counted from the *anterior insertion*, where the right ventricle's wall
meets the left one's at the front, through the septum. Both insertions are found in the label map, and told apart by the
patient's axes, so that mirrored, turned or reversed stacks give the same answer.

Words: *ray*, a half-line in the slice's plane from the cavity's centroid; *turn*, a ray's angle from the anterior
insertion, 0 to 360 degrees, growing through the septum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from pipeline.core.geometry import Grid
from pipeline.core.labels import LV, MYO, RV

__all__ = ["SEGMENTS", "Segment", "Wall", "measure_wall", "segment_of", "thickness_mm"]

SEGMENTS = (
    *(f"{level} {wall}" for level in ("basal", "mid") for wall in (
        "anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")),
    "apical anterior", "apical septal", "apical inferior", "apical lateral", "apex",
)  # fmt: skip
"""Names in the order of their numbers, 1 to 17."""

N_RAYS = 120
_STEP_MM = 0.25
_REACH_MM = 90.0
"""Longer than any heart's radius, so that a ray ends outside."""
_CONTACT_MM = 4.0
"""Right cavity within this distance outside the epicardium counts as touching: its own wall lies between."""
_UP_RAS = np.array([0.0, 1.0, 1.0])
"""Towards the anterior wall in a short-axis slice: to the patient's front and head."""


@dataclass(frozen=True)
class Segment:
    """One segment's wall.

    Attributes:
        segment: number, 1 to 17.
        name: as in `SEGMENTS`.
        ed_mm: mean thickness at end-diastole; `None` where not measured.
        es_mm: at end-systole, likewise.
        thickening_percent: 100 (ES - ED) / ED; `None` where either is.
    """

    segment: int
    name: str
    ed_mm: float | None
    es_mm: float | None
    thickening_percent: float | None


@dataclass(frozen=True)
class Wall:
    """All segments, and a sentence for each thing left out."""

    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


def measure_wall(labels: np.ndarray, grid: Grid, *, ed: int, es: int) -> Wall:
    """Measure the wall at end-diastole and end-systole.

    Args:
        labels: (T, X, Y, Z) label map.
        grid: where the voxels lie.
        ed: phase, 0-based.
        es: likewise.

    Returns:
        All 17 segments, `None` in those without a measurement. Each phase is divided by its own extent.
    """
    found = {name: _segment_means(labels[phase], grid) for name, phase in (("ED", ed), ("ES", es))}
    notes = [f"{name}: {note}" for name, (_, sentences) in found.items() for note in sentences]
    pairs = zip(found["ED"][0], found["ES"][0], strict=True)
    segments = [
        Segment(n, SEGMENTS[n - 1], _known(at_ed), _known(at_es), _known(100.0 * (at_es - at_ed) / at_ed))
        for n, (at_ed, at_es) in enumerate(pairs, start=1)
    ]
    return Wall(tuple(segments), ("the apex (segment 17) is not measured in short-axis slices", *notes))


def thickness_mm(labels: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """Thickness of the wall along `N_RAYS` rays from the cavity's centroid, evenly spaced.

    The integral of the interpolated myocardial mask along a ray: sub-pixel, and exact where the contours are circles
    around the centroid. Where the wall is oblique to the ray it is longer by 1 / cos of that angle.

    Args:
        labels: (X, Y) label map with some left cavity.
        spacing_mm: of X and Y.

    Returns:
        (N_RAYS,) mm; ray n points at 360 n / N_RAYS degrees from X towards Y; 0 where there is no wall.
    """
    return _along_rays(labels == MYO.value, _centroid(labels), spacing_mm).sum(axis=1) * _STEP_MM


def segment_of(turn_deg: np.ndarray, level: int) -> np.ndarray:
    """Number of the segment that a ray meets.

    Args:
        turn_deg: degrees from the anterior insertion through the septum, any shape, 0 to below 360.
        level: 0 basal, 1 middle, 2 apical.

    >>> segment_of(np.array([30.0, 90.0, 150.0, 210.0, 270.0, 330.0]), 0).tolist()
    [2, 3, 4, 5, 6, 1]
    >>> segment_of(np.array([10.0, 60.0, 150.0, 240.0, 330.0]), 2).tolist()
    [13, 14, 15, 16, 13]
    """
    if level == 2:
        apical: np.ndarray = 13 + (np.floor((turn_deg - 15.0) / 90.0).astype(int) + 1) % 4
        return apical
    arcs: np.ndarray = 1 + 6 * level + (np.floor(turn_deg / 60.0).astype(int) + 1) % 6
    return arcs


def _segment_means(volume: np.ndarray, grid: Grid) -> tuple[np.ndarray, list[str]]:
    """Mean thickness in segments 1 to 17, NaN where none, and what was left out."""
    slices = _from_base_to_apex(volume)
    turns = {z: _turns_deg(volume[:, :, z], grid) for z in slices}
    known = [z for z in slices if turns[z] is not None]
    if not known:
        return np.full(17, np.nan), ["no slice shows both ventricles side by side: nothing to count segments from"]
    samples: list[list[float]] = [[] for _ in range(17)]
    left_out = []
    for place, z in enumerate(slices):
        thickness = thickness_mm(volume[:, :, z], grid.spacing_mm[:2])
        if (thickness == 0).any():
            left_out.append(z + 1)
            continue
        nearest = min(known, key=lambda other: abs(other - z))
        turn = turns[nearest]
        assert turn is not None  # as `known` says
        for n, mm in zip(segment_of(turn, 3 * place // len(slices)), thickness, strict=True):
            samples[n - 1].append(float(mm))
    means = np.array([np.mean(values) if values else np.nan for values in samples])
    return means, [f"slice(s) {left_out} left out, the wall is not closed around the cavity"] if left_out else []


def _from_base_to_apex(volume: np.ndarray) -> list[int]:
    """Slices with left cavity, the end with the larger cavity first."""
    areas = (volume == LV.value).sum(axis=(0, 1))
    slices = [int(z) for z in np.flatnonzero(areas)]
    third = max(1, len(slices) // 3)
    starts_at_base = areas[slices[:third]].sum() >= areas[slices[-third:]].sum() if slices else True
    return slices if starts_at_base else slices[::-1]


def _turns_deg(labels: np.ndarray, grid: Grid) -> np.ndarray | None:
    """Turn of each ray of a slice, (N_RAYS,); `None` where the right ventricle does not touch the left one's wall."""
    spacing, centre = grid.spacing_mm[:2], _centroid(labels)
    left = _along_rays((labels == LV.value) | (labels == MYO.value), centre, spacing) >= 0.5
    right = _along_rays(labels == RV.value, centre, spacing) >= 0.5
    edge = left.shape[1] - left[:, ::-1].argmax(axis=1)  # of the last sample inside the epicardium, one beyond
    distance = np.where(right.any(axis=1), right.argmax(axis=1) - edge, left.shape[1]) * _STEP_MM
    touching = distance <= _CONTACT_MM
    if not touching.any() or touching.all():
        return None
    first, last = _longest_arc(touching)
    up = _up_in_plane(grid)
    rays = np.arange(N_RAYS)
    if _direction(first) @ up > _direction(last) @ up:
        turns: np.ndarray = (rays - first) % N_RAYS
    else:
        turns = (last - rays) % N_RAYS
    return turns * (360.0 / N_RAYS)


def _longest_arc(touching: np.ndarray) -> tuple[int, int]:
    """First and last ray of the longest run of True around the circle, which is not all of it."""
    start = int(np.flatnonzero(~touching)[0])
    rolled = np.concatenate([np.roll(touching, -start), [False]])
    steps = np.flatnonzero(np.diff(rolled.astype(int)))  # before each change: rises and falls in turn
    rises, falls = steps[::2] + 1, steps[1::2]
    longest = int((falls - rises).argmax())
    return (int(rises[longest]) + start) % N_RAYS, (int(falls[longest]) + start) % N_RAYS


def _up_in_plane(grid: Grid) -> np.ndarray:
    """Components of `_UP_RAS` along the directions of X and Y, (2,)."""
    axes = grid.affine[:3, :2] / np.array(grid.spacing_mm[:2])
    up: np.ndarray = _UP_RAS @ axes
    return up


def _direction(ray: int) -> np.ndarray:
    angle = 2 * np.pi * ray / N_RAYS
    return np.array([np.cos(angle), np.sin(angle)])


def _along_rays(mask: np.ndarray, centre: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """The mask interpolated along each ray, (N_RAYS, samples), `_STEP_MM` apart; 0 beyond the picture."""
    radii = np.arange(_STEP_MM / 2, _REACH_MM, _STEP_MM)
    angles = 2 * np.pi * np.arange(N_RAYS)[:, None] / N_RAYS
    places = [centre[axis] + part(angles) * radii / spacing_mm[axis] for axis, part in enumerate((np.cos, np.sin))]
    values: np.ndarray = map_coordinates(mask.astype(np.float32), places, order=1, prefilter=False)
    return values


def _centroid(labels: np.ndarray) -> np.ndarray:
    """Of the left cavity, in index coordinates (x, y)."""
    return np.argwhere(labels == LV.value).mean(axis=0)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 2)
