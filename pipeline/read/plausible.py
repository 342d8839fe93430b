"""Whether what was read can be a heart's cine at all: what no scanner makes and no body has is told in notes.

A header that lost a digit or a coordinate is often good in form. What gives it away is that nothing is so large, so
thin or so slanted. Limits are wide: what lies beyond is a damaged header, or no cine of a heart.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.geometry import Grid

__all__ = ["doubts_about"]

PIXEL_MM = (0.3, 6.0)
"""Distance between pixels. Cines have 0.6 to 2.5 mm."""

STEP_MM = (2.0, 25.0)
"""Distance between slices, where a slice is a picture of its own. Cines have 5 to 13 mm."""

MAX_LEAN_DEG = 12.0
"""How far axes of the voxels may be from right angles."""


def doubts_about(array: np.ndarray, grid: Grid) -> tuple[str, ...]:
    """Say what is wrong with an image, in sentences; nothing for a cine as scanners make them.

    Args:
        array: (T, X, Y, Z).
        grid: where the voxels lie.
    """
    *pixel, step = grid.spacing_mm
    doubts = []
    if min(pixel) < PIXEL_MM[0] or max(pixel) > PIXEL_MM[1]:
        size = " x ".join(f"{mm:.4g}" for mm in pixel)
        doubts.append(
            f"pixels of {size} mm are none of a cine ({PIXEL_MM[0]:g} to {PIXEL_MM[1]:g} mm): volumes may be wrong"
        )
    if array.shape[3] > 1 and not STEP_MM[0] <= step <= STEP_MM[1]:
        doubts.append(
            f"slices {step:.4g} mm apart are none of a cine ({STEP_MM[0]:g} to {STEP_MM[1]:g} mm): volumes may be wrong"
        )
    if (lean_deg := _lean_deg(grid.affine)) > MAX_LEAN_DEG:
        doubts.append(f"the axes of the voxels are {lean_deg:.0f} degrees off right angles: volumes may be wrong")
    if array.size and array.min() == array.max():
        doubts.append("all voxels have one value: there is nothing to see")
    return tuple(doubts)


def _lean_deg(affine: np.ndarray) -> float:
    """How far the two axes that are least at right angles are off it."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(axes.T @ axes - np.eye(3))
    return float(np.rad2deg(np.arcsin(np.clip(cosines.max(), 0.0, 1.0))))
