"""The 17 segments of the American Heart Association (Cerqueira et al., Circulation 105:539, 2002).

Thirds of the ventricle from base to apex: six arcs of 60 degrees in the basal and in the middle one, four of 90 in the
apical one. The apex itself is number 17. Arcs are equal and counted from the anterior insertion of the right
ventricle's wall, through the septum: 2 and 3 (8 and 9) are the 120 degrees after it, whether the septum is that wide
or not, and the apical septal segment is centred on them.
"""

from __future__ import annotations

import numpy as np

__all__ = ["APEX", "LEVELS", "SEGMENTS", "level_of", "segment_of"]

_WALLS = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")

LEVELS = ("basal", "mid", "apical")
"""Thirds of the ventricle."""

SEGMENTS = (
    *(f"basal {wall}" for wall in _WALLS),
    *(f"mid {wall}" for wall in _WALLS),
    *(f"apical {wall}" for wall in ("anterior", "septal", "inferior", "lateral")),
    "apex",
)
"""Names in the order of their numbers, 1 to 17."""

APEX = 17
"""Number of the last segment, the tip."""


def level_of(place: int, n_slices: int) -> int:
    """Third of the ventricle that a slice belongs to: the one that its middle lies in.

    Args:
        place: of the slice, 0 at the base to `n_slices` - 1 at the apex.
        n_slices: slices that show the ventricle.

    Returns:
        0 basal, 1 middle, 2 apical.

    >>> [level_of(place, 8) for place in range(8)]
    [0, 0, 0, 1, 1, 2, 2, 2]
    """
    return 3 * (2 * place + 1) // (2 * n_slices)


def segment_of(turn_deg: np.ndarray, level: int) -> np.ndarray:
    """Number of the segment at an angle.

    Args:
        turn_deg: degrees from the anterior insertion through the septum, any shape and range.
        level: 0 basal, 1 middle, 2 apical.

    Returns:
        1 to 16, the shape of `turn_deg`.

    >>> segment_of(np.array([30.0, 90.0, 150.0, 210.0, 270.0, 330.0]), 0).tolist()
    [2, 3, 4, 5, 6, 1]
    >>> segment_of(np.array([10.0, 60.0, 150.0, 240.0, 330.0]), 2).tolist()
    [13, 14, 15, 16, 13]
    """
    turn = np.asarray(turn_deg, dtype=float)
    if level == 2:
        apical: np.ndarray = 13 + np.floor((turn + 75.0) / 90.0).astype(int) % 4
        return apical
    arcs: np.ndarray = 1 + 6 * level + (np.floor(turn / 60.0).astype(int) + 1) % 6
    return arcs
