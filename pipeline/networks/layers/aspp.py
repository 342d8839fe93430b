"""Atrous spatial pyramid pooling of DeepLab v3 (Chen et al., arXiv 1706.05587, 2017), and its least batch size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.networks.layers.blocks import conv_bn_relu

__all__ = ["ASPP", "refuse_batch_of_one"]


def refuse_batch_of_one(x: torch.Tensor, training: bool, network: str) -> None:
    """Refuse batches on which batch normalisation of image-level features cannot train.

    Args:
        x: input, (N, C, X, Y).
        training: the network's mode.
        network: its name, for the message.

    Raises:
        ValueError: training with a batch of one.
    """
    if training and x.shape[0] < 2:
        raise ValueError(
            f"training {network} needs a batch of at least 2: its image-level branch has one value a sample, "
            "which batch normalisation cannot normalise; raise `batch_size` (evaluation takes a batch of 1)"
        )


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, dilated 3x3 and image-level features side by side, joined by a 1x1.

    MONAI's `SimpleASPP` has no image-level branch.

    Args:
        in_channels: channels of the features.
        channels: channels of each branch and of the output.
        rates: dilations of the 3x3 branches.
    """

    def __init__(self, in_channels: int, channels: int = 256, *, rates: Sequence[int] = (6, 12, 18)) -> None:
        super().__init__()
        branches = [conv_bn_relu(in_channels, channels)]
        branches += [conv_bn_relu(in_channels, channels, kernel=3, dilation=rate) for rate in rates]
        self.branches = nn.ModuleList(branches)
        self.image_level = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(in_channels, channels))
        self.project = conv_bn_relu((len(rates) + 2) * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y) -> (N, channels, X, Y)."""
        pooled = self.image_level(x).expand(-1, -1, x.shape[2], x.shape[3])
        return self.project(torch.cat([branch(x) for branch in self.branches] + [pooled], dim=1))
