"""DeepLab v3 (Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution, arXiv 1706.05587, 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.blocks import conv_bn_relu, resize
from pipeline.networks.resnet import ResNet

__all__ = ["ASPP", "DeepLabV3"]


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


class DeepLabV3(nn.Module):
    """DeepLab v3: ResNet, ASPP, 1x1 classifier, bilinear upsampling to the input's size.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet18, resnet34, resnet50 or resnet101.
        output_stride: 16, or 8 (rates of the ASPP then double, as in the paper).
        multi_grid: factors on the dilations of the last stage.
        aspp_channels: channels of each branch of the ASPP.
        dropout: before the classifier.

    Raises:
        ConfigError: an unknown backbone or output stride.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "resnet50",
        output_stride: int = 16,
        multi_grid: Sequence[int] = (1, 2, 4),
        aspp_channels: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16):
            raise ConfigError(f"DeepLab v3's output stride must be 8 or 16, got {output_stride}")
        self.backbone = ResNet(backbone, in_channels=in_channels, output_stride=output_stride, multi_grid=multi_grid)
        rates = [rate * (16 // output_stride) for rate in (6, 12, 18)]
        self.aspp = ASPP(self.backbone.out_channels, aspp_channels, rates=rates)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(aspp_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y).

        Raises:
            ValueError: training with a batch of one: the image-level branch is normalised over the batch alone.
        """
        if self.training and x.shape[0] < 2:
            raise ValueError(
                "training DeepLab v3 needs a batch of at least 2: its image-level branch has one value a sample, "
                "which batch normalisation cannot normalise; raise `batch_size` (evaluation takes a batch of 1)"
            )
        features = self.dropout(self.aspp(self.backbone(x)))
        return resize(self.classifier(features), x)
