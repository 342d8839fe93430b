"""Training without labels, as of W-Net (Xia and Kulis, arXiv 1711.08506, 2017), with the image itself as target."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.wnet import SoftNormalisedCut
from pipeline.train.batches import PrepareFurther

__all__ = ["CutAndReconstruction", "PrepareWithoutLabels"]


class PrepareWithoutLabels(PrepareFurther):
    """MONAI's `prepare_batch` hook that puts the image in the label's place.

    Args:
        prepare: makes (image, label) of a batch, as `PrepareAugmentedBatch` does.
    """

    def further(self, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ARG002
        """Return the image twice."""
        return image, image


class CutAndReconstruction(nn.Module):
    """W-Net's loss: the soft normalised cut of the segments plus the squared error of the reconstruction.

    The paper takes a step by the cut, then one by the error. Here one step takes their sum.

    Args:
        cut_weight: factor of the cut, 0 or more.
        cut: of the segments (`None`: the paper's, for images normalised to a deviation of 1).

    Raises:
        ConfigError: a negative weight.
    """

    def __init__(self, cut_weight: float = 1.0, cut: nn.Module | None = None) -> None:
        super().__init__()
        if cut_weight < 0:
            raise ConfigError(f"`cut_weight` must be 0 or more, got {cut_weight}")
        self.cut_weight = cut_weight
        self.cut = SoftNormalisedCut() if cut is None else cut

    def forward(self, outputs: tuple[torch.Tensor, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss.

        Args:
            outputs: logits of the segments (N, K, X, Y) and the reconstruction (N, C, X, Y), as W-Net gives them.
            image: (N, C, X, Y).
        """
        logits, reconstruction = outputs
        return functional.mse_loss(reconstruction, image) + self.cut_weight * self.cut(logits, image)
