"""Voxels that hold no number: NaN or infinite, as resampling leaves outside its picture and divisions by 0 within."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pipeline.core.errors import UnreadableError

__all__ = ["fill_voxels"]

MAX_WITHIN = 0.01
"""Share of a slice's voxels that may be missing within the picture; they take the nearest one's value."""

MAX_OUTSIDE = 0.5
"""Share of a slice that may be missing at its rim, as where a turned picture was cut out of a larger one; the body is
within, so they take the image's least value."""


def fill_voxels(array: np.ndarray, *, path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Fill what is NaN or infinite, where it is little or outside the body.

    Args:
        array: (T, X, Y, Z) image; integers pass through as they are.
        path: the file, for messages.

    Returns:
        The array, all finite, and a sentence where there was something to fill.

    Raises:
        UnreadableError: a slice with more missing than `MAX_WITHIN` or `MAX_OUTSIDE`: nothing is made up.
    """
    if array.dtype.kind != "f" or (missing := ~np.isfinite(array)).sum() == 0:
        return array, ()
    rim = np.zeros_like(missing)
    for t, z in zip(*np.nonzero(missing.any(axis=(1, 2))), strict=True):
        rim[t, :, :, z] = _touching_rim(missing[t, :, :, z])
    within, outside = (part.mean(axis=(1, 2)) for part in (missing & ~rim, rim))
    bad = (within > MAX_WITHIN) | (outside > MAX_OUTSIDE)
    if bad.any():
        t, z = (int(index[0]) for index in np.nonzero(bad))
        share = within[t, z] + outside[t, z]
        raise UnreadableError(
            f"an image must hold numbers, got {share:.1%} NaN or infinite in slice {z} of phase {t} "
            f"(at most {MAX_WITHIN:.0%} within a picture or {MAX_OUTSIDE:.0%} at its rim are filled), and as bad or "
            f"worse in {int(bad.sum())} of {bad.size} pictures; export it anew",
            path or None,
        )
    filled = np.where(rim, array[~missing].min(), array)
    for t, z in zip(*np.nonzero((missing & ~rim).any(axis=(1, 2))), strict=True):
        filled[t, :, :, z] = _with_nearest(filled[t, :, :, z])
    n_rim, n_within = int(rim.sum()), int((missing & ~rim).sum())
    counted = "1 voxel was" if n_rim + n_within == 1 else f"{n_rim + n_within} voxels were"
    note = f"{counted} NaN or infinite: {n_rim} at the pictures' rim took the least value"
    return filled.astype(array.dtype, copy=False), (f"{note}, {n_within} within took their nearest neighbour's",)


def _touching_rim(missing: np.ndarray) -> np.ndarray:
    """Those of a slice's missing voxels (X, Y) from which the rim can be reached through missing ones."""
    pieces, _ = ndimage.label(missing)
    edge = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    return np.isin(pieces, edge[edge > 0])


def _with_nearest(picture: np.ndarray) -> np.ndarray:
    missing = ~np.isfinite(picture)
    x, y = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(picture[x, y])
