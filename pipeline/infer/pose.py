"""Which of the eight poses a picture of the heart is in, by what the network sees of it in each.

A network that has learnt hearts in one view sees less of one laid down otherwise: first it loses the right ventricle.
So a few slices are shown to it in all eight poses, and the cine is segmented in the one in which it sees most. Where
others come close, as the mirror image that keeps the right ventricle to the left may, their answers are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from pipeline.core.pose import POSES, Pose, PoseFinding
from pipeline.infer.heart import REACH, heart_piece

__all__ = ["KEPT", "LEAST_WEIGHT", "SOFTNESS", "find_pose", "middle_slices", "pose_scores", "pose_weights"]

SOFTNESS = 0.03
"""Difference of scores by which a pose's answer counts 1/e of the best one's."""

LEAST_WEIGHT = 0.1
"""Of the best pose's weight: below it a pose does not count at all; it is one in which 7 % less of a heart is seen.

Of 49 volumes (30 of ACDC's training patients, 19 Sunnybrook patients) the pose as delivered had the highest score in
34. Over all of them the mean Dice of the slices looked at was 0.886 in the pose as delivered, 0.900 in the one with the
highest score and 0.903 with the mean of 1.7 poses that these two numbers give. The mean changes little where two poses
serve alike and a slight difference, as of how a file is stored, decides which of them is the first."""

KEPT = 0.2
"""By how much a score must exceed that of the pose as laid down by header or convention before any other counts.
In development volumes others were better from 0.24 on, where the network had missed much of the heart, and not below
0.09; one validation volume, whose other pose lost the right ventricle, lies at 0.11."""

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
    seen = np.array([_seen(run(_middle(picture, window)), reach) for picture in laid])
    if not seen.all(axis=1).any() and any(n > w for n, w in zip(slices.shape[2:], window, strict=True)):
        seen = np.array([_seen(run(picture), reach) for picture in laid])
    scores: np.ndarray = np.log1p(seen).mean(axis=1)
    return scores


def pose_weights(scores: np.ndarray) -> np.ndarray:
    """How much each pose's answer counts, by `SOFTNESS` and `LEAST_WEIGHT`.

    Args:
        scores: (8,), of `pose_scores`.

    Returns:
        (8,) float64 that sum to 1; the first, as laid down by the header, alone counts while none exceeds it
        by `KEPT`.

    >>> pose_weights(np.array([7.0, 8.0, 8.0, 7, 7, 7, 7, 7])).tolist()
    [0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    if scores.max() - scores[0] <= KEPT:
        return np.eye(len(scores))[0]
    weights = np.exp((scores - scores.max()) / SOFTNESS)
    weights[weights < LEAST_WEIGHT] = 0.0
    normalised: np.ndarray = weights / weights.sum()
    return normalised


def find_pose(scores: np.ndarray, *, header_pose: Pose, header_tells: bool) -> PoseFinding:
    """Say of stored slices what the scores of them as their header lays them down have decided.

    The pose is the one that counts most (`pose_weights`).

    Args:
        scores: (8,), of `pose_scores`.
        header_pose: in which the slices lay then.
        header_tells: whether the header tells the pose.
    """
    weights = pose_weights(scores)
    chosen = int(weights.argmax())
    over = np.exp(scores[chosen] - scores)
    return PoseFinding(
        pose=header_pose.then(POSES[chosen]),
        header_pose=header_pose,
        header_tells=header_tells,
        over_header=float(over[0]),
        over_next=float(np.delete(over, chosen).min()),
        n_averaged=int((weights > 0).sum()),
    )


def _middle(slices: torch.Tensor, window: Sequence[int]) -> torch.Tensor:
    starts = [max(0, (size - width) // 2) for size, width in zip(slices.shape[2:], window, strict=True)]
    return slices[..., starts[0] : starts[0] + window[0], starts[1] : starts[1] + window[1]]


def _seen(logits: torch.Tensor, reach: float) -> np.ndarray:
    """(classes - 1,) sum of the probabilities of the pixels taken for each structure of the heart."""
    probability, labels = logits.float().softmax(dim=1).max(dim=1)
    found = labels.cpu().numpy()
    if not found.any():
        return np.zeros(logits.shape[1] - 1)
    kept = np.where(heart_piece(found, reach=reach), found, 0)
    sums = np.bincount(kept.ravel(), probability.cpu().numpy().ravel(), minlength=logits.shape[1])
    return sums[1:]
