"""Rules on the stack of slices at one phase: jumps from slice to slice, and ends that cut the ventricle off."""

from __future__ import annotations

import numpy as np

from pipeline.core.labels import LV, MYO, RV
from pipeline.core.measurements import Flag
from pipeline.measure.quality.heart import Heart, name_slices

__all__ = [
    "STACK_END_RULES",
    "STACK_RULES",
    "check_apex",
    "check_area_jumps",
    "check_base",
    "check_slice_shift",
    "check_spacing",
    "distances_from_neighbours",
]

AREA_JUMPS = {"left cavity": 0.3, "left ventricle with its wall": 0.2, "right ventricle": 0.3}
"""Largest difference of a section's area from its neighbours' mean, as a fraction of the largest section. Ventricles
taper smoothly: 99 of 100 slices of the experts' labels of the training side keep below 0.23, 0.12 and 0.24."""

SHIFT_MM = 10.0
"""Largest distance of a section's centroid from the middle between its neighbours'. Slices are scanned in separate
breath-holds, and the diaphragm's place differs by some mm from one to the next. 95 of 100 of the experts' volumes of
the training side keep below 9.2 mm."""

APEX_SHARE = 0.4
"""Area of the cavity in the slice that ends the stack at the apex, as a fraction of its largest. In half an ellipsoid
90 mm long a section of 0.4 lies 20 mm from the tip: two slices are missing."""

BASE_SHARE = 0.95
"""Area of the cavity in the slice that ends the stack at the base. Ventricles are widest below the base: a stack that
ends where they are widest may have more above it,"""

UNEVEN = 0.05
"""Difference of the lengths that slices stand for, over the usual one, from which a gap or overlap shifts volumes by
more than the rounding of headers does: 0.4 mm at 8 mm."""

MIN_LENGTH_MM = 70.0
"""and has, if it shows less of the ventricle than this. An adult's measures 75 to 100 mm at end-diastole."""


def check_area_jumps(heart: Heart) -> Flag | None:
    """`area_jump`, note: a section is far larger or smaller than its neighbours, see `AREA_JUMPS`."""
    left, wall, right = (heart.areas_mm2[s.name] for s in (LV, MYO, RV))
    found = []
    for (name, limit), areas in zip(AREA_JUMPS.items(), (left, np.where(left > 0, left + wall, 0), right), strict=True):
        jumps = distances_from_neighbours(areas[:, None], shown=areas > 0) / max(areas.max(), 1e-9)
        found.append((float(np.nanmax(jumps / limit, initial=0.0)), name, jumps, limit))
    excess, name, jumps, limit = max(found, key=lambda one: one[0])
    if excess <= 1:
        return None
    slices, worst = np.flatnonzero(jumps > limit), int(np.nanargmax(jumps))
    sentence = (
        f"The {name} is cut in an area that differs from its neighbours' mean by {jumps[worst]:.0%} of the largest "
        f"({name_slices(slices)})."
    )
    return Flag("area_jump", "note", sentence, heart.phase, worst, float(jumps[worst]), limit)


def check_slice_shift(heart: Heart) -> Flag | None:
    """`slice_shift`, note: a slice of the left heart is shifted from its neighbours, as by another breath-hold."""
    shown = heart.areas_mm2[LV.name] > 0
    centroids = np.zeros((len(shown), 3))
    for z in np.flatnonzero(shown):
        x, y = np.argwhere(heart.left_heart[:, :, z]).mean(axis=0)
        centroids[z] = heart.grid.affine[:3, :2] @ (x, y)  # in the slice's plane: slices stand above each other
    shifts = distances_from_neighbours(centroids, shown=shown)
    slices = np.flatnonzero(shifts > SHIFT_MM)
    if not slices.size:
        return None
    worst = int(np.nanargmax(shifts))
    sentence = f"The left heart lies {shifts[worst]:.0f} mm beside its neighbours' middle ({name_slices(slices)})."
    return Flag("slice_shift", "note", sentence, heart.phase, worst, float(shifts[worst]), SHIFT_MM)


def check_apex(heart: Heart) -> Flag | None:
    """`stack_apex`, review: the left cavity is still large in the last slice towards the apex, see `APEX_SHARE`."""
    areas = heart.areas_mm2[LV.name]
    _, end = _stack_ends(heart)
    share = float(areas[end] / max(areas.max(), 1e-9))
    if share <= APEX_SHARE:
        return None
    sentence = f"The stack ends where the left cavity is still {share:.0%} of its largest section: the apex is missing."
    return Flag("stack_apex", "review", sentence, heart.phase, end, share, APEX_SHARE)


def check_base(heart: Heart) -> Flag | None:
    """`stack_base`, review: the stack ends where the left cavity is widest, less than `MIN_LENGTH_MM` from its apex."""
    areas = heart.areas_mm2[LV.name]
    end, _ = _stack_ends(heart)
    share = float(areas[end] / max(areas.max(), 1e-9))
    length_mm = float((areas > 0).sum() * heart.grid.spacing_mm[2])
    if share < BASE_SHARE or length_mm >= MIN_LENGTH_MM:
        return None
    sentence = (
        f"The stack ends where the left cavity is widest and shows {length_mm:.0f} mm of it: the base may be missing."
    )
    return Flag("stack_base", "review", sentence, heart.phase, end, length_mm, MIN_LENGTH_MM)


STACK_RULES = (check_area_jumps, check_slice_shift)
"""In the order of their flags."""


def check_spacing(heart: Heart) -> Flag | None:
    """`slice_spacing`, review: slices that show the left ventricle are unevenly apart, see `UNEVEN`."""
    if heart.grid.spans_mm is None:
        return None
    shown = np.array(heart.grid.spans_mm)[heart.left_heart.any(axis=(0, 1))]
    uneven = float(np.ptp(shown) / np.median(heart.grid.spans_mm)) if shown.size else 0.0
    if uneven <= UNEVEN:
        return None
    sentence = (
        f"Slices of the left ventricle stand for {shown.min():.1f} to {shown.max():.1f} mm of it each: "
        "the stack is unevenly spaced."
    )
    return Flag("slice_spacing", "review", sentence, heart.phase, None, uneven, UNEVEN)


STACK_END_RULES = (check_apex, check_base, check_spacing)
"""For the phase in which the ventricle is longest, end-diastole."""


def distances_from_neighbours(values: np.ndarray, *, shown: np.ndarray) -> np.ndarray:
    """Distance of each slice's value from the midpoint of its two neighbours'.

    Args:
        values: (Z, D), one point per slice.
        shown: (Z,) bool, slices that have a point.

    Returns:
        (Z,), or NaN if a slice or one of its neighbours has no point.

    >>> distances_from_neighbours(np.array([[0.0], [5.0], [4.0], [0.0]]), shown=np.array([1, 1, 1, 0], bool)).tolist()
    [nan, 3.0, nan, nan]
    """
    far = np.full(len(values), np.nan)
    inner = np.flatnonzero(shown[1:-1] & shown[:-2] & shown[2:]) + 1
    middles = (values[inner - 1] + values[inner + 1]) / 2
    far[inner] = np.linalg.norm(values[inner] - middles, axis=1)
    return far


def _stack_ends(heart: Heart) -> tuple[int, int]:
    """The stack's last slices towards the base and towards the apex."""
    shown, n_slices = np.flatnonzero(heart.areas_mm2[LV.name]), heart.labels.shape[2]
    starts_at_base = not shown.size or heart.basal_slice == shown[0]
    return (0, n_slices - 1) if starts_at_base else (n_slices - 1, 0)
