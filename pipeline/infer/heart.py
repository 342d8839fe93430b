"""Find the heart in a label map that may hold false pieces."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import center_of_mass
from skimage.measure import label as connected_pieces

__all__ = ["MARGIN_PIXELS", "REACH", "heart_piece", "heart_rank"]

MARGIN_PIXELS = 16
"""Kept free around the heart of the first phase: 22 mm at 1.4 mm, more than a wall moves in a beat."""
REACH = 0.25
"""Of the window: how far a heart's middle usually is from the image's. ACDC's are within 43 mm, 90 % of them."""


def heart_piece(labels: np.ndarray, *, reach: float) -> np.ndarray:
    """The connected piece of a label map that is most like a heart: it has all classes and is near the middle.

    Pieces are ranked by the mean over the classes of log(1 + voxels), minus half the squared distance between the
    piece's and the image's centre over `reach`. A false piece may be the largest, but it is hardly ever a cavity in a
    wall beside another cavity, and images are planned around the heart.

    Args:
        labels: (Z, X, Y) integers, 0 is the background. At least one voxel is labelled.
        reach: in pixels.

    Returns:
        (Z, X, Y) bool.

    >>> heart_piece(np.array([[[3, 3, 3, 3, 0, 1, 2, 3]]]), reach=100).astype(int).tolist()
    [[[0, 0, 0, 0, 0, 1, 1, 1]]]
    """
    pieces, ranks = _ranked_pieces(labels, reach)
    heart: np.ndarray = pieces == 1 + ranks.argmax()
    return heart


def heart_rank(labels: np.ndarray, *, reach: float) -> float:
    """How much the piece that `heart_piece` chooses is like a heart; of two label maps the higher one has found it.

    Args:
        labels: (Z, X, Y) integers, 0 is the background.
        reach: in pixels.

    Returns:
        The piece's rank, minus infinity where nothing is labelled.

    >>> [round(heart_rank(np.array([[row]]), reach=100), 2) for row in ([0, 1, 2, 3, 0], [0, 3, 3, 3, 0], [0, 0, 0])]
    [0.69, 0.46, -inf]
    """
    return float(_ranked_pieces(labels, reach)[1].max()) if labels.any() else -np.inf


def _ranked_pieces(labels: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Connected pieces, numbered from 1, and the rank of each."""
    pieces, n_pieces = connected_pieces(labels > 0, return_num=True)
    n_classes = int(labels.max()) + 1
    counts = np.bincount((pieces * n_classes + labels).ravel(), minlength=(n_pieces + 1) * n_classes)
    likeness = np.log1p(counts.reshape(n_pieces + 1, n_classes)[1:, 1:]).mean(axis=1)
    centres = np.array(center_of_mass(pieces > 0, pieces, np.arange(1, n_pieces + 1)))[:, 1:]
    middle = (np.array(labels.shape[1:]) - 1) / 2
    return pieces, likeness - ((centres - middle) ** 2).sum(axis=1) / (2 * reach**2)
