"""LinkNet, whose skips are added, and its sibling with a feature pyramid for decoder.

LinkNet: Chaurasia and Culurciello, arXiv 1707.03718, 2017. Feature pyramid: Lin et al., arXiv 1612.03144, 2017. With a
segmentation head over four scales: Seferbekov, Iglovikov, Buslaev, Shvets, arXiv 1806.03510, 2018.
"""

from __future__ import annotations

import torch
from monai.networks.blocks import Convolution
from torch import nn

from pipeline.networks.designs import Design
from pipeline.networks.layers.blocks import conv_bn_relu, resize
from pipeline.networks.layers.pyramid import FeaturePyramid
from pipeline.networks.layers.resnet import ResNet
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple

__all__ = ["DESIGNS", "LinkNet", "LinkNetFPN"]


class LinkNet(nn.Module):
    """LinkNet: a ResNet and one light decoder block per stage, to whose output the stage above is added.

    A block is 1x1 to a quarter of the channels, 3x3 transposed of stride 2, 1x1. Four of them lead to half the size, as
    the ResNet-34 variants have it. The head doubles once more.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `RESNETS` (resnet34 makes LinkNet-34).

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(self, in_channels: int, out_channels: int, *, backbone: str = "resnet34") -> None:
        super().__init__()
        self.backbone = ResNet(backbone, in_channels=in_channels)
        stem, *widths = self.backbone.widths
        narrower = [stem, *widths[:-1]]
        self.blocks = nn.ModuleList(
            nn.Sequential(conv_bn_relu(width, width // 4), _double(width // 4, width // 4), conv_bn_relu(width // 4, n))
            for width, n in zip(widths[::-1], narrower[::-1], strict=True)
        )
        self.head = nn.Sequential(_double(stem, 32), conv_bn_relu(32, 32, kernel=3), nn.Conv2d(32, out_channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        _, *skips, y = self.backbone.stages(pad_to_multiple(x, (32, 32)))
        for block in self.blocks:
            y = block(y)
            if skips:
                y = y + skips.pop()
        return centre_crop(self.head(y), x)


def _double(n_in: int, n_out: int) -> nn.Module:
    """3x3 transposed convolution of stride 2, batch normalisation and ReLU."""
    return Convolution(
        spatial_dims=2,
        in_channels=n_in,
        out_channels=n_out,
        kernel_size=3,
        strides=2,
        is_transposed=True,
        bias=False,
        adn_ordering="NA",
        norm="BATCH",
        act="RELU",
    )


class LinkNetFPN(nn.Module):
    """LinkNet's encoder with a feature-pyramid decoder over four scales (strides 4, 8, 16, 32).

    Top-down features are doubled by nearest neighbour and added to 1x1 laterals of the stages. Two 3x3 convolutions
    follow at each scale. The four results, brought to stride 4, are concatenated, joined by a 3x3 and classified.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `RESNETS` (resnet34 makes LinkNet-34-FPN).
        pyramid_channels: channels of the laterals.
        scale_channels: channels that each scale contributes.
        dropout: of whole channels, before the classifier.

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "resnet34",
        pyramid_channels: int = 256,
        scale_channels: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = ResNet(backbone, in_channels=in_channels)
        widths = self.backbone.widths[1:]
        self.pyramid = FeaturePyramid(widths, pyramid_channels, smooth=False)
        self.scales = nn.ModuleList(
            nn.Sequential(
                conv_bn_relu(pyramid_channels, scale_channels, kernel=3),
                conv_bn_relu(scale_channels, scale_channels, kernel=3),
            )
            for _ in widths
        )
        self.join = conv_bn_relu(len(widths) * scale_channels, scale_channels, kernel=3)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(scale_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        pyramid = self.pyramid(self.backbone.stages(x)[1:])
        scales = [resize(scale(level), pyramid[0]) for scale, level in zip(self.scales, pyramid, strict=True)]
        return resize(self.classifier(self.dropout(self.join(torch.cat(scales, dim=1)))), x)


DESIGNS = (
    Design("linknet34", LinkNet, "Chaurasia and Culurciello 2017", "ResNet-34, skips added"),
    Design("linknet34_fpn", LinkNetFPN, "Seferbekov et al. 2018", "ResNet-34, feature pyramid over four scales"),
)
