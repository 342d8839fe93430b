"""Operations on batches of boxes (x0, y0, x1, y1) in pixels, without control flow that depends on their values.

x runs along the image's first spatial axis, y along the second. Edges are the pixels' own, so that the box of one pixel
at (2, 5) is (2, 5, 3, 6). MONAI's equivalents take one image and branch on the values, which `torch.export`
cannot follow. Tests check that the results are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

__all__ = ["clip_boxes", "decode_boxes", "encode_boxes", "pairwise_iou", "suppress"]

_MOST_GROWTH = math.log(1000 / 16)
"""Of a box's logarithmic size by one regression, as Faster R-CNN's authors bound it."""
_LEAST_PIXELS = 1e-3
"""Size of an empty box when it is a divisor."""


def pairwise_iou(boxes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Intersection over union of all pairs, 0 if both boxes are empty.

    Args:
        boxes: (..., A, 4).
        others: (..., B, 4).

    Returns:
        (..., A, B), 0 to 1.

    >>> pairwise_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
    """
    low = torch.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    high = torch.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    overlap = _area((high - low).clamp(min=0))
    union = _area(_size(boxes))[..., :, None] + _area(_size(others))[..., None, :] - overlap
    return overlap / union.clamp(min=_LEAST_PIXELS**2)


def encode_boxes(boxes: torch.Tensor, references: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """Regression targets from references to boxes: the centre's shift in sizes, log growth (Girshick et al. 2014).

    Args:
        boxes: (..., 4).
        references: (..., 4).
        weights: factors on the four numbers.

    Returns:
        (..., 4) as (dx, dy, dw, dh).

    >>> encode_boxes(torch.tensor([2.0, 0.0, 6.0, 4.0]), torch.tensor([0.0, 0.0, 4.0, 4.0]), (1, 1, 1, 1)).tolist()
    [0.5, 0.0, 0.0, 0.0]
    """
    size, reference = _size(boxes).clamp(min=_LEAST_PIXELS), _size(references).clamp(min=_LEAST_PIXELS)
    shift = (_centre(boxes) - _centre(references)) / reference
    return torch.cat([shift, (size / reference).log()], dim=-1) * boxes.new_tensor(weights)


def decode_boxes(deltas: torch.Tensor, references: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """The inverse of `encode_boxes`. Growth is bounded at 62.5.

    Args:
        deltas: (..., 4).
        references: (..., 4), may be broadcast.
        weights: as in `encode_boxes`.

    Returns:
        (..., 4) boxes, not clipped.

    >>> decode_boxes(torch.tensor([0.5, 0.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 4.0, 4.0]), (1, 1, 1, 1)).tolist()
    [2.0, 0.0, 6.0, 4.0]
    """
    deltas = deltas / deltas.new_tensor(weights)
    centre = _centre(references) + deltas[..., :2] * _size(references)
    half = _size(references) * deltas[..., 2:].clamp(max=_MOST_GROWTH).exp() / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def clip_boxes(boxes: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """The part of boxes (..., 4) that lies in an image of `size` (X, Y). Boxes outside become empty.

    >>> clip_boxes(torch.tensor([-3.0, 2.0, 5.0, 9.0]), (4, 8)).tolist()
    [0.0, 2.0, 4.0, 8.0]
    """
    return torch.minimum(boxes.clamp(min=0), boxes.new_tensor([*size, *size]))


def suppress(boxes: torch.Tensor, scores: torch.Tensor, *, n_kept: int, threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression with a fixed number of survivors, over a batch of images.

    Args:
        boxes: (N, B, 4).
        scores: (N, B), finite.
        n_kept: how many survive in each image.
        threshold: a box whose IoU with a better survivor exceeds it is removed.

    Returns:
        (N, n_kept) indices, best first. If too few survive, the best one is repeated.

    >>> boxes = torch.tensor([[[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [6.0, 6.0, 8.0, 8.0]]])
    >>> suppress(boxes, torch.tensor([[0.8, 0.9, 0.1]]), n_kept=3, threshold=0.5).tolist()
    [[1, 2, 1]]
    """
    itself = torch.eye(boxes.shape[1], dtype=torch.bool, device=boxes.device)
    gone = (pairwise_iou(boxes, boxes) > threshold) | itself
    kept: list[torch.Tensor] = []
    for _ in range(n_kept):
        score, best = scores.max(dim=1)
        kept.append(torch.where(score.isinf(), kept[0], best) if kept else best)
        scores = scores.masked_fill(gone.take_along_dim(best[:, None, None], dim=1).squeeze(1), -math.inf)
    return torch.stack(kept, dim=1)


def _size(boxes: torch.Tensor) -> torch.Tensor:
    return boxes[..., 2:] - boxes[..., :2]


def _centre(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _area(size: torch.Tensor) -> torch.Tensor:
    return size[..., 0] * size[..., 1]
