"""M-Net (Mehta and Sivaswamy, ISBI 2017), with the pooled inputs and averaged side outputs of Fu et al. 2018.

Fu et al.: Joint Optic Disc and Cup Segmentation Based on Multi-label Deep Network and Polar Transformation,
arXiv 1801.00926.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import NORMALISED, Design
from pipeline.networks.layers.blocks import resize
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.multiresolution import log_mean_probability
from pipeline.networks.unet import ExpandingStep, double_conv, he_initialise

__all__ = ["DESIGNS", "MNet"]


class MNet(nn.Module):
    """U-Net whose encoder levels also see the pooled input, and whose decoder levels each predict.

    The input, average-pooled to a level's size, passes a 3x3 convolution and is concatenated with the output of the
    level above. Each decoder level has a 1x1 classifier, upsampled to the full size: a side output. The
    network's answer is the mean of the side outputs' probabilities.

    Args:
        in_channels: channels of the input.
        out_channels: classes, at least 2.
        base_channels: channels of the first level. Each level below has twice as many.
        depth: levels, at least 2. There is one side output fewer.
        batch_norm: normalise in the double convolutions (the paper does not).

    Raises:
        ConfigError: fewer than 2 classes or 2 levels, or no base channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 32,
        depth: int = 5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if out_channels < 2 or depth < 2 or base_channels < 1:
            raise ConfigError(
                "M-Net needs at least 2 classes, 2 levels and 1 base channel, "
                f"got {out_channels}, {depth} and {base_channels}"
            )
        self.depth = depth
        widths = [base_channels * 2**level for level in range(depth)]
        self.first = double_conv(in_channels, widths[0], batch_norm=batch_norm)
        self.legs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU(inplace=True)) for width in widths[1:]
        )
        self.contracting = nn.ModuleList(
            double_conv(above + width, width, batch_norm=batch_norm) for above, width in pairwise(widths)
        )
        self.pool = nn.MaxPool2d(2)
        self.shrink = nn.AvgPool2d(2)
        upwards = widths[::-1]
        self.expanding = nn.ModuleList(
            ExpandingStep(below, width, batch_norm=batch_norm) for below, width in pairwise(upwards)
        )
        self.sides = nn.ModuleList(nn.Conv2d(width, out_channels, 1) for width in upwards[1:])
        he_initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, in_channels, X, Y), any size -> logarithms of mean probabilities (N, out_channels, X, Y).

        In training a tuple: those, then the logits of the side outputs at full size, coarsest level first.
        """
        image = pad_to_multiple(x, [2 ** (self.depth - 1)] * 2)
        sides = [
            centre_crop(resize(side(y), image), x)
            for side, y in zip(self.sides, self._expand(self._contract(image)), strict=True)
        ]
        fused = log_mean_probability(sides)
        return (fused, *sides) if self.training else fused

    def _contract(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Features of each encoder level, finest first."""
        features = [self.first(image)]
        for leg, convs in zip(self.legs, self.contracting, strict=True):
            image = self.shrink(image)
            features.append(convs(torch.cat([leg(image), self.pool(features[-1])], dim=1)))
        return features

    def _expand(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Features of each decoder level, coarsest first."""
        y = features[-1]
        levels = []
        for step, skip in zip(self.expanding, features[-2::-1], strict=True):
            y = step(y, skip)
            levels.append(y)
        return levels


DESIGNS = (
    Design("mnet", MNet, "Mehta and Sivaswamy 2017", "U-Net with legs: pooled inputs, side outputs", NORMALISED),
)
