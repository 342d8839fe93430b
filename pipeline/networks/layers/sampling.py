"""What a detector's losses count: boxes drawn at random in each image, so many of them on instances.

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
        valid: (N, S) bool; false where there were too few to draw.
    """

    chosen: torch.Tensor
    positive: torch.Tensor
    valid: torch.Tensor


def draw_sample(positive: torch.Tensor, negative: torch.Tensor, *, n: int, share: float) -> Sample:
    """Draw n boxes of each image: at most so large a share of positives, the rest negatives.

    Random numbers come from torch's default generator.

    Args:
        positive: (N, B) bool.
        negative: (N, B) bool, nowhere where `positive` is.
        n: how many; all where there are fewer.
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
    """Share of boxes (N, B, 4) that is labelled, (N, B), as a lattice of points tells; the image's edge goes on."""
    return roi_align([truth.labelled], boxes, size=_PROBES, samples=1).mean(dim=(2, 3, 4))


def masked_mean(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Mean of the values that count (bool, or a weight); 0 where none does."""
    return (values * counted).sum() / counted.sum().clamp(min=1)


def box_loss(deltas: torch.Tensor, goals: torch.Tensor, drawn: Sample, *, beta: float = 1.0) -> torch.Tensor:
    """Smooth L1 loss of the positives, summed over a box's four numbers, per box drawn (Girshick, Fast R-CNN, 2015).

    Args:
        deltas: (N, S, 4) regressions of the boxes drawn.
        goals: (N, S, 4) what they should be; anything where a box is not positive.
        drawn: the sample.
        beta: error from which on the loss is linear.
    """
    errors = functional.smooth_l1_loss(deltas.float(), goals, reduction="none", beta=beta).sum(dim=2)
    return errors.where(drawn.positive, 0.0).sum() / drawn.valid.sum().clamp(min=1)
