"""Which of the eight poses a picture of the heart is in, by what the network sees of it in each.

A network that has learnt hearts in one view sees less of one laid down otherwise: first it loses the right ventricle.
So a few slices are shown to it in all eight poses. The cine is segmented as its header lays it down, unless the network
sees clearly more of a heart in another pose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from pipeline.core.pose import CLEAR_RATIO, POSES, Pose, PoseFinding
from pipeline.infer.heart import REACH, heart_piece

__all__ = ["choose_pose", "find_pose", "heart_seen", "middle_slices", "pose_scores"]

N_SLICES = 4
"""Looked at in each pose: the middle ones, which show both ventricles in every heart."""


def middle_slices(n_slices: int) -> slice:
    """The slices that are looked at, the same whichever way round the stack is.

    >>> middle_slices(10), middle_slices(9), middle_slices(3)
    (slice(3, 7, None), slice(3, 6, None), slice(0, 3, None))
    """
    wanted = min(n_slices, N_SLICES - (n_slices - N_SLICES) % 2)
    start = (n_slices - wanted) // 2
    return slice(start, start + wanted)


def pose_scores(
    slices: torch.Tensor, run: Callable[[torch.Tensor], torch.Tensor], *, window: Sequence[int]
) -> np.ndarray:
    """How much of a heart the network sees in each pose.

    That is the mean over the structures of log(1 + sum of the probabilities of the pixels taken for it), in the piece
    that is most like a heart. Looked at in the window in the picture's middle, around which images are planned; where
    some structure is found there in no pose, in the whole picture.

    Args:
        slices: (Z, C, X, Y) network input.
        run: (Z, C, x, y) to logits (Z, classes, x, y), class 0 the background.
        window: (x, y) in pixels that the network was trained with.

    Returns:
        (8,) float64, by pose in `POSES`' order; 0 where nothing is seen.
    """
    laid = [pose.apply(slices, axes=(-2, -1)) for pose in POSES]
    reach = REACH * min(window)
    seen = np.array([heart_seen(run(_middle(picture, window)), reach=reach) for picture in laid])
    if not seen.all(axis=1).any() and any(n > w for n, w in zip(slices.shape[2:], window, strict=True)):
        seen = np.array([heart_seen(run(picture), reach=reach) for picture in laid])
    scores: np.ndarray = np.log1p(seen).mean(axis=1)
    return scores


def choose_pose(scores: np.ndarray) -> int:
    """Choose a pose by its score: the first, as laid down by the header, unless another is clearly better.

    Args:
        scores: (8,), of `pose_scores`.

    Returns:
        Place in `POSES`.

    >>> choose_pose(np.array([7.0, 7.1, 6, 6, 6, 6, 6, 6])), choose_pose(np.array([7.0, 7.3, 6, 6, 6, 6, 6, 6]))
    (0, 1)
    """
    return int(scores.argmax()) if scores.max() - scores[0] > np.log(CLEAR_RATIO) else 0


def find_pose(scores: np.ndarray, *, header_pose: Pose, header_tells: bool) -> PoseFinding:
    """Say of stored slices what the scores of them as their header lays them down have decided.

    Args:
        scores: (8,), of `pose_scores`.
        header_pose: in which the slices lay then.
        header_tells: whether the header tells the pose.
    """
    chosen = choose_pose(scores)
    over = np.exp(scores[chosen] - scores)
    return PoseFinding(
        pose=header_pose.then(POSES[chosen]),
        header_pose=header_pose,
        header_tells=header_tells,
        over_header=float(over[0]),
        over_next=float(np.delete(over, chosen).min()),
    )


def _middle(slices: torch.Tensor, window: Sequence[int]) -> torch.Tensor:
    starts = [max(0, (size - width) // 2) for size, width in zip(slices.shape[2:], window, strict=True)]
    return slices[..., starts[0] : starts[0] + window[0], starts[1] : starts[1] + window[1]]


def heart_seen(logits: torch.Tensor, *, reach: float) -> np.ndarray:
    """How much of each structure a network sees: sum of the probabilities of the pixels taken for it.

    Args:
        logits: (Z, classes, X, Y), class 0 the background.
        reach: in pixels, see `heart.heart_piece`, in whose piece alone pixels count.

    Returns:
        (classes - 1,) float64; 0 where nothing is seen.
    """
    probability, labels = logits.float().softmax(dim=1).max(dim=1)
    found = labels.cpu().numpy()
    if not found.any():
        return np.zeros(logits.shape[1] - 1)
    kept = np.where(heart_piece(found, reach=reach), found, 0)
    sums = np.bincount(kept.ravel(), probability.cpu().numpy().ravel(), minlength=logits.shape[1])
    return sums[1:]
