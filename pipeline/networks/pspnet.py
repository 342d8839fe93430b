"""PSPNet (Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network, arXiv 1612.01105, 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.aspp import refuse_batch_of_one
from pipeline.networks.layers.blocks import conv_bn_relu, resize
from pipeline.networks.layers.resnet import ResNet

__all__ = ["DESIGNS", "PSPNet", "PyramidPooling"]


class PyramidPooling(nn.Module):
    """Features and their averages over grids of several sizes.

    Each grid's averages pass a 1x1 convolution to 1 / len(bins) of the channels and are resized back.

    Args:
        in_channels: channels of the features, at least one per grid.
        bins: cells along each axis of the grids.

    Attributes:
        out_channels: channels of the output, about twice `in_channels`.

    Raises:
        ConfigError: no grid, a grid without cells, or more grids than channels.
    """

    def __init__(self, in_channels: int, *, bins: Sequence[int] = (1, 2, 3, 6)) -> None:
        super().__init__()
        if not 0 < len(bins) <= in_channels or min(bins) < 1:
            raise ConfigError(
                f"pyramid pooling needs 1 to {in_channels} grids (the channels) of at least one cell, got {tuple(bins)}"
            )
        reduced = in_channels // len(bins)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(cells), conv_bn_relu(in_channels, reduced)) for cells in bins
        )
        self.out_channels = in_channels + len(bins) * reduced

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y) -> (N, out_channels, X, Y), the features themselves first."""
        return torch.cat([x] + [resize(level(x), x) for level in self.levels], dim=1)


class PSPNet(nn.Module):
    """PSPNet: a dilated ResNet of output stride 8, pyramid pooling, a 3x3 convolution and a classifier.

    The auxiliary head is attached to the paper's fourth residual stage (res4: `layer3`), not to the features that the
    pyramid pools. The paper weighs its loss by 0.4.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet18, resnet34, resnet50 or resnet101.
        output_stride: 8, or 16 or 32 to save time and memory.
        bins: cells along each axis of the pyramid's grids.
        dropout: before the classifiers.

    Raises:
        ConfigError: an unknown backbone or output stride, or no usable grid.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "resnet50",
        output_stride: int = 8,
        bins: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbone = ResNet(backbone, in_channels=in_channels, output_stride=output_stride)
        *_, n_res4, n_res5 = self.backbone.widths
        self.pyramid = PyramidPooling(n_res5, bins=bins)
        self.head = _head(self.pyramid.out_channels, n_res5 // 4, out_channels, dropout=dropout)
        self.auxiliary = _head(n_res4, n_res4 // 4, out_channels, dropout=dropout)
        self.pools_image = 1 in bins

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y), in training also auxiliary logits.

        Raises:
            ValueError: training with a batch of one and a grid of one cell, which is normalised over the batch alone.
        """
        refuse_batch_of_one(x, self.training and self.pools_image, "PSPNet")
        *_, res4, res5 = self.backbone.stages(x)
        logits = resize(self.head(self.pyramid(res5)), x)
        return (logits, resize(self.auxiliary(res4), x)) if self.training else logits


def _head(n_in: int, channels: int, n_out: int, *, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        conv_bn_relu(n_in, channels, kernel=3), nn.Dropout(dropout), nn.Conv2d(channels, n_out, kernel_size=1)
    )


DESIGNS = (
    Design(
        "pspnet",
        PSPNet,
        "Zhao et al. 2017",
        "dilated ResNet-50, averages over grids of 1, 2, 3, 6; auxiliary head on res4",
    ),
)
