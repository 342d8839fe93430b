"""The feature pyramid: coarse features, rich in meaning, added to fine ones (Lin et al., arXiv 1612.03144, 2017).

MONAI's `FeaturePyramidNetwork` always smooths its maps, and takes and gives them by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

__all__ = ["FeaturePyramid"]


class FeaturePyramid(nn.Module):
    """1x1 laterals of a backbone's stages, each added to the coarser map above it, enlarged by nearest neighbour.

    Args:
        widths: channels of the stages, finest first.
        channels: of every map of the pyramid.
        smooth: a 3x3 convolution on each map at the end, as in the paper.
    """

    def __init__(self, widths: Sequence[int], channels: int, *, smooth: bool = True) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smoothing = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1) if smooth else nn.Identity() for _ in widths
        )

    def forward(self, stages: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps (N, width, ., .), finest first -> as many maps (N, channels, ., .) of the same sizes."""
        levels: list[torch.Tensor] = []
        for lateral, stage in zip(list(self.laterals)[::-1], list(stages)[::-1], strict=True):
            level = lateral(stage)
            if levels:
                level = level + functional.interpolate(levels[0], size=level.shape[2:], mode="nearest")
            levels.insert(0, level)
        return [smooth(level) for smooth, level in zip(self.smoothing, levels, strict=True)]
