"""In which order a file stores its axes: the slice axis may be the first, the middle or the last.

Inside this library slices come last, (X, Y, Z). A file that has them elsewhere is read with that axis moved, and its
answer is written with it moved back, so that file and answer have one shape and one affine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["find_slice_axis", "slices_last", "to_stored_affine", "to_stored_order"]

SURELY_COARSER = 2.0
"""Spacing of the coarsest axis over the next one's from which on it is the slice axis: no pixel is so long."""

SURELY_FEWER = 0.5
"""Voxels along the shortest axis over the next one's up to which it is the slice axis, where spacings do not tell."""

COARSER = 1.1
"""Spacing ratio that still tells, where neither does so surely."""


def find_slice_axis(shape: Sequence[int], spacing_mm: Sequence[float]) -> tuple[int, str | None]:
    """Find the axis that runs through the plane: the coarsest, or where spacings are alike that of fewest voxels.

    Args:
        shape: voxels along the three axes, as stored.
        spacing_mm: distance of voxel centres along each.

    Returns:
        The axis, 0 to 2; and a sentence where nothing tells it, so that the last is taken.

    >>> find_slice_axis((10, 216, 256), (8.0, 1.5, 1.5))
    (0, None)
    >>> find_slice_axis((256, 12, 256), (1.0, 1.0, 1.0))
    (1, None)
    """
    spacing, counts = np.asarray(spacing_mm, dtype=float), np.asarray(shape[:3])
    coarsest, fewest = int(spacing.argmax()), int(counts.argmin())
    next_spacing, next_count = np.sort(spacing)[1], np.sort(counts)[1]
    if spacing[coarsest] >= SURELY_COARSER * next_spacing:
        return coarsest, None
    if counts[fewest] <= SURELY_FEWER * next_count:
        return fewest, None
    if spacing[coarsest] >= COARSER * next_spacing:
        return coarsest, None
    sizes = " x ".join(f"{n}" for n in counts.tolist())
    return 2, f"the slice axis cannot be told from {sizes} voxels of nearly equal spacing: the last axis is taken"


def slices_last(array: np.ndarray, affine: np.ndarray, slice_axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Move the slice axis of a stored image to the end; the other two keep their order.

    Args:
        array: (T, ...) with three axes in the file's order behind the phases.
        affine: (4, 4), stored voxel index to mm.
        slice_axis: 0 to 2.

    Returns:
        (T, X, Y, Z), a view, and its affine.
    """
    order = [*(axis for axis in range(3) if axis != slice_axis), slice_axis, 3]
    return np.moveaxis(array, 1 + slice_axis, -1), np.asarray(affine)[:, order]


def to_stored_order(array: np.ndarray, slice_axis: int) -> np.ndarray:
    """Give an array (T, X, Y, Z) the file's order of axes again, a view: undoes `slices_last`.

    >>> to_stored_order(np.zeros((5, 30, 20, 10)), 0).shape
    (5, 10, 30, 20)
    """
    return np.moveaxis(array, -1, 1 + slice_axis)


def to_stored_affine(affine: np.ndarray, slice_axis: int) -> np.ndarray:
    """The affine of what `to_stored_order` gives."""
    order = [0, 1]
    order.insert(slice_axis, 2)
    return np.asarray(affine)[:, [*order, 3]]
