"""The grid that a stack is resampled on: centred, so that a mirror image is sampled at the same places.

MONAI's `Spacing` begins at the first voxel; what is left over at the other end then depends on how the file is stored,
and a structure that a network hardly sees comes and goes with a third of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.geometry import spacing_of

__all__ = ["centred_grid"]

_HALF = 0.499
"""Rounds to the nearest whole number, and half a step always down: a header's rounding must not decide which."""


def centred_grid(
    shape: Sequence[int], affine: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[tuple[int, ...], np.ndarray]:
    """Find the grid of another spacing around the same middle.

    Args:
        shape: voxels (X, Y, Z).
        affine: (4, 4), voxel index to mm.
        spacing_mm: wanted along each axis; 0 or less leaves the axis as it is.

    Returns:
        Voxels (X, Y, Z), as many as there are steps between the outer ones, to the nearest, and one; and the affine.

    >>> shape, affine = centred_grid((5, 4, 2), np.diag([1.0, 1.0, 8.0, 1.0]), (1.5, 2.0, -1))
    >>> shape, affine[:2, 3].tolist()
    ((4, 2, 2), [-0.25, 0.5])
    """
    counts = np.array(shape, dtype=float)
    stored = np.array(spacing_of(affine))
    wanted = np.where(np.array(spacing_mm) > 0, spacing_mm, stored)
    sizes = np.floor((counts - 1) * stored / wanted + _HALF) + 1
    matrix = np.diag([*(wanted / stored), 1.0])
    matrix[:3, 3] = (counts - 1) / 2 - (sizes - 1) / 2 * wanted / stored
    return tuple(int(size) for size in sizes), np.asarray(affine) @ matrix
