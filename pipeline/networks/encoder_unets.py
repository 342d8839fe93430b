"""U-Nets on classification encoders: TernausNet on a VGG, AlbuNet on a ResNet.

TernausNet: Iglovikov and Shvets, arXiv 1801.05746, 2018. AlbuNet-34: Shvets, Iglovikov, Rakhlin, Kalinin:
Angiodysplasia Detection and Localization Using Deep Convolutional Neural Networks, arXiv 1804.08024, 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.networks.designs import NORMALISED, Design
from pipeline.networks.layers.resnet import ResNet
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.layers.vgg import VGG

__all__ = ["DESIGNS", "AlbuNet", "TernausNet", "UpBlock"]

_WITHIN = (16, 16, 16, 8, 4, 4)
"""Channels within the blocks, centre first, over `filters`."""


class UpBlock(nn.Module):
    """A 3x3 convolution, then a 4x4 transposed convolution that doubles the size, each with a ReLU.

    Args:
        n_in: channels of the input.
        within: channels between the two convolutions.
        n_out: channels of the output.
    """

    def __init__(self, n_in: int, within: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, within, 3, padding=1)
        self.up = nn.ConvTranspose2d(within, n_out, 4, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, n_in, X, Y) -> (N, n_out, 2 X, 2 Y)."""
        return self.relu(self.up(self.relu(self.conv(x))))


class _EncoderUNet(nn.Module):
    """Centre block on the pooled deepest features, then one block per level, skips concatenated.

    Args:
        backbone: the encoder, whose `stages` give maps, finest first, each half as large as the one before.
        out_channels: classes.
        first: index of the finest of its maps used as a skip.
        filters: unit of the decoder's channels.
        widths: channels after the centre and after each block, over `filters`.
    """

    def __init__(
        self, backbone: VGG | ResNet, out_channels: int, *, first: int, filters: int, widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.first = first
        self.multiple = 2 ** len(widths)
        self.pool = nn.MaxPool2d(2)
        skips = list(reversed(backbone.widths[first:]))
        skips += [0] * (len(widths) - len(skips))
        n_out = [filters * width for width in widths]
        within = [filters * width for width in _WITHIN]
        self.centre = UpBlock(skips[0], within[0], n_out[0])
        self.blocks = nn.ModuleList(
            UpBlock(skip + n, middle, n_next)
            for skip, n, middle, n_next in zip(skips, n_out, within[1:], n_out[1:], strict=False)
        )
        self.last = nn.Sequential(nn.Conv2d(skips[-1] + n_out[-1], filters, 3, padding=1), nn.ReLU(inplace=True))
        self.classifier = nn.Conv2d(filters, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        skips = self.backbone.stages(pad_to_multiple(x, [self.multiple] * 2))[self.first :]
        y = self.centre(self.pool(skips[-1]))
        for block in [*self.blocks, self.last]:
            y = block(torch.cat([skips.pop(), y], dim=1) if skips else y)
        return centre_crop(self.classifier(y), x)


class TernausNet(_EncoderUNet):
    """U-Net on a VGG: its five stages give the skips, from full size down to a sixteenth.

    Up-convolutions have 4x4 kernels, which stride 2 covers evenly. Sizes are padded inside to a multiple of 32.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `VGGS` (vgg11 makes TernausNet-11, vgg16 TernausNet-16).
        filters: channels of the finest decoder level (the others are multiples).
        batch_norm: of the encoder.

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "vgg11",
        filters: int = 32,
        batch_norm: bool = False,
    ) -> None:
        encoder = VGG(backbone, in_channels=in_channels, batch_norm=batch_norm)
        widths = (8, 8, 4 if backbone == "vgg11" else 8, 2, 1)
        super().__init__(encoder, out_channels, first=0, filters=filters, widths=widths)


class AlbuNet(_EncoderUNet):
    """U-Net on a ResNet: its four stages give the skips, from a quarter of the size down to a thirty-second.

    The last block and the convolution after it have no skip. Sizes are padded inside to a multiple of 64.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `RESNETS` (resnet34 makes AlbuNet-34).
        filters: channels of the finest decoder level (the others are multiples).

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(self, in_channels: int, out_channels: int, *, backbone: str = "resnet34", filters: int = 32) -> None:
        encoder = ResNet(backbone, in_channels=in_channels)
        super().__init__(encoder, out_channels, first=1, filters=filters, widths=(8, 8, 8, 2, 4, 1))


DESIGNS = (
    Design("ternausnet11", TernausNet, "Iglovikov and Shvets 2018", "U-Net on a VGG-11", NORMALISED),
    Design(
        "ternausnet16",
        TernausNet,
        "Iglovikov and Shvets 2018",
        "U-Net on a VGG-16",
        {"backbone": "vgg16", **NORMALISED},
    ),
    Design("albunet34", AlbuNet, "Shvets et al. 2018", "ResNet-34, skips concatenated, centre block"),
)
