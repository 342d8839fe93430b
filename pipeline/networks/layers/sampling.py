"""Random sampling of the boxes that a detector's losses count, with a limited share of positives per image.

Ren et al., Faster R-CNN, arXiv 1506.01497, 2015, section 3.1.3. All images of a batch are drawn at once, equally many
boxes in each.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from pipeline.networks.detector.instances import Instances
from pipeline.networks.detector.roi import roi_align

__all__ = ["Sample", "box_loss", "draw_sample", "labelled_share", "masked_mean"]

_PROBES = 4
"""Points along each axis of a box at which labels are looked at."""


class Sample(NamedTuple):
    """Boxes drawn for a loss, positives first.

    Attributes:
        chosen: (N, S) indices.
        positive: (N, S) bool.
        valid: (N, S) bool, false if there were too few to draw.
    """

    chosen: torch.Tensor
    positive: torch.Tensor
    valid: torch.Tensor


def draw_sample(positive: torch.Tensor, negative: torch.Tensor, *, n: int, share: float) -> Sample:
    """Draw n boxes of each image: positives up to a given share, the rest negatives.

    Random numbers come from torch's default generator.

    Args:
        positive: (N, B) bool.
        negative: (N, B) bool, disjoint from `positive`.
        n: how many (all if there are fewer).
        share: of positives, at most.

    >>> drawn = draw_sample(torch.tensor([[False, True, True, False]]), torch.tensor([[True, False, False, False]]),
    ...                     n=3, share=0.4)
    >>> drawn.positive.tolist(), drawn.valid.tolist()
    ([[True, False, False]], [[True, True, False]])
    """
    lots = torch.rand(positive.shape, device=positive.device)
    n_boxes = positive.shape[1]
    first = lots.where(positive, -1.0).topk(min(int(n * share), n_boxes), dim=1)
    ranks = lots.where(negative, -1.0)
    ahead = torch.where(first.values >= 0, first.values + 1.0, ranks.take_along_dim(first.indices, dim=1))
    drawn = ranks.scatter(1, first.indices, ahead).topk(min(n, n_boxes), dim=1)
    return Sample(drawn.indices, drawn.values >= 1.0, drawn.values >= 0)


def labelled_share(boxes: torch.Tensor, truth: Instances) -> torch.Tensor:
    """Labelled share (N, B) of boxes (N, B, 4), sampled on a lattice of points. The image's edge is extended."""
    return roi_align([truth.labelled], boxes, size=_PROBES, samples=1).mean(dim=(2, 3, 4))


def masked_mean(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Mean of the values that count (bool, or a weight), or 0 if none does."""
    return (values * counted).sum() / counted.sum().clamp(min=1)


def box_loss(deltas: torch.Tensor, goals: torch.Tensor, drawn: Sample, *, beta: float = 1.0) -> torch.Tensor:
    """Smooth L1 loss of the positives, summed over a box's four numbers, per box drawn (Girshick, Fast R-CNN, 2015).

    Args:
        deltas: (N, S, 4) regressions of the boxes drawn.
        goals: (N, S, 4) their targets, of any value if a box is not positive.
        drawn: the sample.
        beta: error above which the loss is linear.
    """
    errors = functional.smooth_l1_loss(deltas.float(), goals, reduction="none", beta=beta).sum(dim=2)
    return errors.where(drawn.positive, 0.0).sum() / drawn.valid.sum().clamp(min=1)
