"""A loss over several logits at once, made of a loss over one: of networks with auxiliary outputs or several scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError

__all__ = ["AuxiliaryLoss"]


class AuxiliaryLoss(nn.Module):
    """A loss of the main logits plus a weighted loss of each auxiliary output.

    With weight 0.4 it is PSPNet's loss with its auxiliary head (Zhao et al., CVPR 2017). With `CrossEntropy` and
    weight 1 it is DeepLab v2's of the 2017 study (Feilles 2017): the sum over the logits at scales 1, 0.75 and 0.5 and
    their element-wise maximum, at stride 8 if the network gives them so (`DeepLabV2Caffe` with `upsampled` false).
    Labels are resized to each output by nearest neighbour, so no classes are mixed and `UNLABELLED` is kept. MONAI's
    `DeepSupervisionLoss` must know the number of outputs, and does not resize integers.

    Args:
        loss: takes logits (N, C, x, y) and labels (N, 1, x, y).
        weight: of each auxiliary output, 0 or more.
        corners: where smaller outputs lie on the labels' grid. False: pixels are areas, and an output's takes the label
            at its centre. True: the corner pixels' centres lie on each other, as Caffe's `Interp` shrinks labels, and
            as logits lie that are resized with `align_corners`.

    Raises:
        ConfigError: a negative weight.
    """

    def __init__(self, loss: nn.Module, weight: float = 0.4, *, corners: bool = False) -> None:
        super().__init__()
        if weight < 0:
            raise ConfigError(f"`weight` of auxiliary outputs must be 0 or more, got {weight}")
        self.loss = loss
        self.weight = weight
        self.corners = corners

    def forward(self, outputs: torch.Tensor | Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss.

        Args:
            outputs: logits (N, C, x, y), main first, of any sizes. A single tensor is the main output.
            labels: (N, 1, X, Y) integers.
        """
        main, *others = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        resize = _pick_from_corner_to_corner if self.corners else _resize_labels
        total: torch.Tensor = self.loss(main, resize(labels, main))
        for other in others:
            total = total + self.weight * self.loss(other, resize(labels, other))
        return total


def _resize_labels(labels: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Labels (N, 1, X, Y) at the size of `like` (., ., x, y): each takes the value at its pixel's centre."""
    if labels.shape[2:] == like.shape[2:]:
        return labels
    return functional.interpolate(labels.float(), size=like.shape[2:], mode="nearest-exact").to(labels.dtype)


def _pick_from_corner_to_corner(labels: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The same with pixels as points: the first and the last of each axis stay."""
    for axis in range(2, labels.ndim):
        size, wanted = labels.shape[axis], like.shape[axis]
        places = torch.linspace(0, size - 1, wanted, dtype=torch.float64).round().long()
        labels = labels.index_select(axis, places.to(labels.device))
    return labels
