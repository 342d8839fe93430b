"""A stack's slices from the ventricle's base to its apex, and where the septum begins in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pipeline.core.geometry import APEX_TO_BASE_LPS, Grid, flip_ras_lps
from pipeline.core.labels import LV, MYO
from pipeline.measure.wall.rings import Ring, septal_arc

__all__ = ["MIN_SLICES", "anterior_insertions", "from_base_to_apex", "list_slices", "nearest", "why_no_thirds"]

_CLEARLY = 0.2
"""Fraction of the largest area. If one end is narrower by more than this, it is the apex."""

MIN_SLICES = 3
"""Least number of slices with left cavity at end-diastole for a division into thirds."""


def why_no_thirds(frame: np.ndarray | None, slices: list[int]) -> str | None:
    """Why a ventricle cannot be divided into thirds, in words; `None` if it can.

    Args:
        frame: of the slices, see `rings.frame_from_apex`.
        slices: those with left cavity.
    """
    if frame is None:
        return "the slices do not lie across the heart's usual axis"
    if len(slices) < MIN_SLICES:
        return f"thirds from base to apex need at least {MIN_SLICES} slices with left cavity, got {len(slices)}"
    return None


def nearest(known: Iterable[int], level: int) -> int:
    """Of several slices the one nearest to another."""
    return min(known, key=lambda other: abs(other - level))


def anterior_insertions(volume: np.ndarray, rings: Mapping[int, Ring | None], frame: np.ndarray) -> dict[int, float]:
    """Angle in degrees of the anterior insertion, by slice, where the right ventricle shows it.

    Seen from the apex the right ventricle lies to the left, so that from right towards down the arc of contact begins
    at the inferior insertion and ends at the anterior one, however the image is rotated.
    """
    arcs = {z: septal_arc(volume[:, :, z], ring, frame) for z, ring in rings.items() if ring is not None}
    return {z: arc[1] for z, arc in arcs.items() if arc is not None}


def from_base_to_apex(volume: np.ndarray, grid: Grid) -> tuple[list[int], list[str]]:
    """Slices from the first with left cavity to the last, base first, and a note if the header contradicts.

    The header's axes decide, unless the ventricle clearly narrows the other way. Then they are wrong, and which wall is
    anterior follows from the rule that slices are seen from the apex.
    """
    found = np.flatnonzero((volume == LV.value).any(axis=(0, 1)))
    if len(found) == 0:
        return [], []
    slices = list(range(int(found[0]), int(found[-1]) + 1))
    narrows = _narrowing(np.isin(volume, (LV.value, MYO.value)).sum(axis=(0, 1))[slices])
    from_base = -float(flip_ras_lps(grid.affine)[:3, 2] @ APEX_TO_BASE_LPS)  # along the slices' order
    contradicted = narrows * from_base <= 0 and abs(narrows) > _CLEARLY and len(slices) >= MIN_SLICES
    notes = []
    if contradicted and from_base != 0:
        notes.append(
            "by the header the ventricle narrows towards the base, so its axes are wrong: the narrow end was taken for "
            "the apex, and the slices as seen from there; if they are not, anterior and inferior are exchanged"
        )
    starts_at_base = narrows > 0 if contradicted or from_base == 0 else from_base > 0
    return (slices if starts_at_base else slices[::-1]), notes


def _narrowing(areas: np.ndarray) -> float:
    """How far areas fall from the first slice to the last, along a fitted line, in parts of the largest.

    Slivers, below a quarter of the largest, are left out: at the base they are remnants, and would look like an apex.
    """
    full = np.flatnonzero(areas >= areas.max() / 4)
    if len(full) < 2:
        return 0.0
    slope = float(np.polyfit(full, areas[full] / areas.max(), 1)[0])
    return -slope * float(full[-1] - full[0])


def list_slices(slices: Iterable[int]) -> str:
    """In words, counted from 1 as sentences are."""
    numbers = [str(z + 1) for z in sorted(slices)]
    return ("slice " if len(numbers) == 1 else "slices ") + ", ".join(numbers)
