"""Cleaning of label maps. Off unless asked for: what it removes may be a mistake of the network, or be real."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pipeline.core.errors import GridError
from pipeline.core.labels import STRUCTURES

__all__ = ["keep_largest_component"]

_TOUCHING = np.ones((3, 3, 3), dtype=bool)
"""Voxels are joined by faces, edges or corners: slices are thick, and neighbouring ones overlap little at the apex."""


def keep_largest_component(labels: np.ndarray) -> np.ndarray:
    """Keep the largest connected piece of each structure in each phase; the other pieces become background.

    Args:
        labels: (T, X, Y, Z) uint8 with our values; left as it is.

    Returns:
        (T, X, Y, Z), a new array. Of pieces of one size the first in the array's order stays; absent structures stay
        absent; background and unlabelled voxels are not touched.

    Raises:
        GridError: not four axes.

    >>> row = np.array([1, 1, 0, 1, 3], dtype=np.uint8).reshape(1, 5, 1, 1)
    >>> keep_largest_component(row).flatten().tolist()
    [1, 1, 0, 0, 3]
    """
    if labels.ndim != 4:
        raise GridError(f"`labels` must be (T, X, Y, Z), got shape {labels.shape}")
    kept = labels.copy()
    for phase in kept:
        for structure in STRUCTURES:
            pieces, n_pieces = ndimage.label(phase == structure.value, structure=_TOUCHING)
            if n_pieces > 1:
                largest = 1 + np.bincount(pieces.ravel())[1:].argmax()
                phase[(pieces > 0) & (pieces != largest)] = 0
    return kept
