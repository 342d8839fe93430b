"""Which side a short-axis slice is looked at from.

By convention short-axis slices are looked at from the apex, the right ventricle to the viewer's left. Then i x j, the
directions of the picture's rows and columns, points away from the viewer, to the base of the heart, which lies to the
patient's right, back and head. Where rows are stored upside down, i x j points the other way and the
array is a mirror image.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.geometry import APEX_TO_BASE_LPS, flip_ras_lps, slice_normal

__all__ = ["is_mirrored"]


def is_mirrored(affine: np.ndarray) -> bool:
    """Whether the slices are seen from the base, so that one in-plane axis must be flipped.

    Holds for short-axis stacks of a heart on the left; a stack whose normal is at right angles to the heart's axis is
    not told reliably. An axial stack with rows to the left and columns to the back, as ACDC's files claim, is taken as
    seen from the apex.

    Args:
        affine: (4, 4), voxel index to RAS+ mm.

    >>> is_mirrored(np.diag([-1.5, -1.5, 8.0, 1.0])), is_mirrored(np.diag([-1.5, 1.5, 8.0, 1.0]))
    (False, True)
    """
    return bool(slice_normal(flip_ras_lps(affine)) @ APEX_TO_BASE_LPS < 0)
