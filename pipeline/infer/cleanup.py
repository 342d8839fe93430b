"""Clean-up of label maps: impossible pieces are removed by default, those that may be real only on request."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pipeline.core.errors import GridError
from pipeline.core.geometry import bounding_box
from pipeline.core.labels import BACKGROUND, LV, MYO, RV, STRUCTURES, UNLABELLED

__all__ = ["keep_largest_component", "remove_impossible"]

MAX_STRAY = 0.1
"""Voxels of a stray piece as a fraction of the heart's. A larger one leaves open which of the two is the heart."""

MAX_HOLE = 0.05
"""Pixels of a hole as a fraction of the section around it. A larger one may be a cavity that was missed."""

_TOUCHING = np.ones((3, 3, 3), dtype=bool)
"""Voxels are joined by faces, edges or corners: slices are thick, and neighbouring ones overlap little at the apex."""

_IN_PLANE = np.zeros((3, 3, 3), dtype=bool)
_IN_PLANE[:, 1, 1] = _IN_PLANE[1, :, 1] = True
"""Pixels of one slice are joined by edges."""


def remove_impossible(labels: np.ndarray) -> np.ndarray:
    """Remove stray pieces and fill holes, which no heart has.

    The heart is the largest connected piece of all structures together. A stray piece does not touch it in 3D and is
    smaller than `MAX_STRAY` of it. It becomes background. A hole is background enclosed in a slice by the left cavity
    and its wall together, or by the right ventricle, of at most `MAX_HOLE` of their section. It gets the most frequent
    label around it, or the lower one in a tie. Pieces that touch the heart stay, since some at its ends are real.

    Args:
        labels: (T, X, Y, Z) uint8 with our values, left as it is.

    Returns:
        (T, X, Y, Z), a new array. Unlabelled voxels are not touched, and a hole with some of them is not filled. An
        empty phase stays empty. The operation is idempotent.

    Raises:
        GridError: not four axes.

    >>> row = np.array([1] * 12 + [0, 3], dtype=np.uint8).reshape(1, 14, 1, 1)
    >>> remove_impossible(row).flatten().tolist()
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    """
    _require_four_axes(labels)
    cleaned = labels.copy()
    for phase in cleaned:
        heart = phase[bounding_box((phase != BACKGROUND) & (phase != UNLABELLED))]  # a view: changes reach `cleaned`
        _remove_strays(heart)
        for enclosing in ((LV.value, MYO.value), (RV.value,)):
            _fill_holes(heart, enclosing)
    return cleaned


def keep_largest_component(labels: np.ndarray) -> np.ndarray:
    """Keep the largest connected piece of each structure in each phase. The other pieces become background.

    The removed pieces may be mistakes of the network, or real.

    Args:
        labels: (T, X, Y, Z) uint8 with our values, left as it is.

    Returns:
        (T, X, Y, Z), a new array. Of pieces of equal size the first in the array's order stays. Absent structures stay
        absent, and background and unlabelled voxels are not touched.

    Raises:
        GridError: not four axes.

    >>> row = np.array([1, 1, 0, 1, 3], dtype=np.uint8).reshape(1, 5, 1, 1)
    >>> keep_largest_component(row).flatten().tolist()
    [1, 1, 0, 0, 3]
    """
    _require_four_axes(labels)
    kept = labels.copy()
    for phase in kept:
        for structure in STRUCTURES:
            pieces, n_pieces = ndimage.label(phase == structure.value, structure=_TOUCHING)
            if n_pieces > 1:
                largest = 1 + np.bincount(pieces.ravel())[1:].argmax()
                phase[(pieces > 0) & (pieces != largest)] = 0
    return kept


def _remove_strays(phase: np.ndarray) -> None:
    """From labels (X, Y, Z), in place."""
    pieces, n_pieces = ndimage.label((phase != BACKGROUND) & (phase != UNLABELLED), structure=_TOUCHING)
    if n_pieces > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        stray = sizes < MAX_STRAY * sizes.max()
        stray[0] = False
        phase[stray[pieces]] = BACKGROUND


def _fill_holes(phase: np.ndarray, enclosing: tuple[int, ...]) -> None:
    """In labels (X, Y, Z), in place, holes that structures of these values enclose."""
    around = np.isin(phase, enclosing)
    holes, n_holes = ndimage.label(
        ndimage.binary_fill_holes(around, structure=_IN_PLANE) & ~around, structure=_IN_PLANE
    )
    areas = around.sum(axis=(0, 1))
    for number, box in enumerate(ndimage.find_objects(holes) if n_holes else (), start=1):
        # a hole's own box alone, one pixel wider: a network that has learnt little yet leaves thousands of holes
        z = box[2].start
        window = (*(slice(max(0, side.start - 1), side.stop + 1) for side in box[:2]), slice(z, z + 1))
        hole, near = holes[window] == number, phase[window]
        if (near[hole] == BACKGROUND).all() and hole.sum() <= MAX_HOLE * areas[z]:
            beside = near[ndimage.binary_dilation(hole, structure=_IN_PLANE) & ~hole]
            near[hole] = np.bincount(beside).argmax()


def _require_four_axes(labels: np.ndarray) -> None:
    if labels.ndim != 4:
        raise GridError(f"`labels` must be (T, X, Y, Z), got shape {labels.shape}")
