"""Which structure of a label map lies within which: the left cavity within its wall, whatever their values."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from pipeline.core.geometry import bounding_box
from pipeline.core.labels import LV, MYO, STRUCTURES, UNLABELLED, Structure, is_structure

__all__ = ["enclosed_share", "misplaced_pair"]

_CLEAR = 0.25
"""By how much another pair must lie within each other better than the left cavity in its wall. In all 200 volumes of
ACDC the left cavity lies within its wall best, and with right and left exchanged it falls behind by more than this."""


def enclosed_share(labels: np.ndarray, inner: int, outer: int) -> float:
    """Share of a structure's neighbours in plane, across its pixels' sides, that belong to another structure.

    Args:
        labels: (T, X, Y, Z) label map.
        inner: value of the structure.
        outer: value of the other one.

    Returns:
        0 to 1; 0 where `inner` has no labelled neighbour.

    >>> ring = np.array([[2, 2, 2], [2, 1, 2], [2, 2, 0]]).reshape(1, 3, 3, 1)
    >>> enclosed_share(ring, 1, 2)
    1.0
    """
    n_all = n_outer = 0
    for axis in (1, 2):
        low, high = np.delete(labels, -1, axis), np.delete(labels, 0, axis)
        for here, there in ((low, high), (high, low)):
            beside = there[(here == inner) & (there != inner) & (there != UNLABELLED)]
            n_all, n_outer = n_all + beside.size, n_outer + int((beside == outer).sum())
    return n_outer / n_all if n_all else 0.0


def misplaced_pair(labels: np.ndarray) -> tuple[Structure, Structure] | None:
    """Find out whether values were taken for the wrong structures, as by another data set's scheme.

    Args:
        labels: (T, X, Y, Z) label map of ours.

    Returns:
        The pair (inner, outer) that lies within each other clearly better than the left cavity in the myocardium;
        `None` where there is none, or where one of those two is not drawn.
    """
    box = labels[bounding_box(is_structure(labels))]
    present = [s for s in STRUCTURES if (box == s.value).any()]
    if LV not in present or MYO not in present:
        return None
    shares = {(one, other): enclosed_share(box, one.value, other.value) for one, other in permutations(present, 2)}
    best = max(shares, key=lambda pair: shares[pair])
    return best if shares[best] > shares[LV, MYO] + _CLEAR else None
