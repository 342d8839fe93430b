"""Losses over logits (N, C, X, Y) and labels (N, 1, X, Y) in which `UNLABELLED` pixels count for nothing."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.labels import UNLABELLED

__all__ = ["DiceCrossEntropy"]


class DiceCrossEntropy(nn.Module):
    """Soft Dice loss plus cross-entropy, as nnU-Net combines them (Isensee et al., Nature Methods 2021).

    MONAI's `DiceCELoss` with `softmax`, `to_onehot_y`, `batch=True` and `include_background=False` gives the same
    value where every pixel is labelled (tested), but has no label to ignore.

    Args:
        dice_weight: factor of the Dice term.
        smooth: added above and below the Dice ratio, so that an absent class gives no 0/0.
    """

    def __init__(self, dice_weight: float = 1.0, smooth: float = 1e-5) -> None:
        super().__init__()
        self.dice_weight = dice_weight
        self.smooth = smooth

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss.

        Args:
            logits: (N, C, X, Y) float, C >= 2.
            labels: (N, 1, X, Y) integers 0 to C - 1, or `UNLABELLED`. A batch without a labelled pixel gives 0.
        """
        target = labels[:, 0].long()
        labelled = target != UNLABELLED
        if not labelled.any():
            return logits.sum() * 0.0
        cross_entropy = functional.cross_entropy(logits, target, ignore_index=UNLABELLED)
        return cross_entropy + self.dice_weight * self._dice(logits, target, labelled)

    def _dice(self, logits: torch.Tensor, target: torch.Tensor, labelled: torch.Tensor) -> torch.Tensor:
        mask = labelled.unsqueeze(1)
        truth = functional.one_hot(target.where(labelled, 0), logits.shape[1]).movedim(-1, 1) * mask
        guess = logits.softmax(1) * mask
        axes = (0, 2, 3)  # over the whole batch, so that slices without a structure do not dominate
        overlap = (guess * truth).sum(axes)[1:]
        total = (guess.sum(axes) + truth.sum(axes))[1:]
        return (1.0 - (2.0 * overlap + self.smooth) / (total + self.smooth)).mean()
