"""DeepLab v1 (LargeFOV) and v2, without their dense CRF, which is applied to a network's output.

v1: Chen, Papandreou, Kokkinos, Murphy, Yuille: Semantic Image Segmentation with Deep Convolutional Nets and Fully
Connected CRFs, arXiv 1412.7062, 2015. v2: the same authors, DeepLab, arXiv 1606.00915, 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import NORMALISED, Design
from pipeline.networks.layers.blocks import class_scores, resize
from pipeline.networks.layers.resnet import RESNETS, ResNet
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.layers.vgg import VGG, VGGS

__all__ = ["DESIGNS", "DeepLabV1", "DeepLabV2"]

_STRIDE = 8


class DeepLabV2(nn.Module):
    """DeepLab v2: features at output stride 8, and an ASPP whose branches' class logits are summed.

    On a ResNet each branch is one dilated 3x3 convolution to the classes. On a VGG, whose last two poolings keep the
    size and whose fifth stage has dilation 2, each branch is its own fc6 (dilated 3x3), fc7 and fc8 (1x1). With several
    `scales`, the same network sees resized copies of the image, and the element-wise maximum of their logits counts.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet18 ... resnet101, or vgg11 ... vgg19.
        rates: dilations of the branches.
        scales: of the image, (1.0,) or a pyramid, (1.0, 0.75, 0.5) in the paper.
        batch_norm: normalise within a VGG's stages (a ResNet always does).
        fc_channels: of a VGG's fc6 and fc7.
        dropout: after a VGG's fc6 and fc7.

    Raises:
        ConfigError: an unknown backbone, no rate, or scales that are not positive.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "resnet101",
        rates: Sequence[int] = (6, 12, 18, 24),
        scales: Sequence[float] = (1.0,),
        batch_norm: bool = False,
        fc_channels: int = 1024,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if backbone not in RESNETS and backbone not in VGGS:
            raise ConfigError(f"DeepLab v2's backbone must be one of {sorted([*RESNETS, *VGGS])}, got {backbone!r}")
        if not rates or not scales or min(scales) <= 0:
            raise ConfigError(
                f"DeepLab v2 needs rates and positive scales, got rates {tuple(rates)} and scales {tuple(scales)}"
            )
        self.scales = tuple(scales)
        self.backbone: nn.Module
        if backbone in VGGS:
            self.backbone = VGG(
                backbone,
                in_channels=in_channels,
                batch_norm=batch_norm,
                pool_strides=(2, 2, 2, 1, 1),
                dilations=(1, 1, 1, 1, 2),
            )
            n = (self.backbone.widths[-1], fc_channels, out_channels)
            self.aspp = nn.ModuleList(_fully_connected(*n, rate=rate, dropout=dropout) for rate in rates)
        else:
            self.backbone = ResNet(backbone, in_channels=in_channels, output_stride=_STRIDE)
            n_in = self.backbone.out_channels
            self.aspp = nn.ModuleList(class_scores(n_in, out_channels, kernel=3, dilation=rate) for rate in rates)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y).

        Training with several scales gives a tuple: the maximum, at the input's size, then the logits of each scale, at
        the size of its own resized image. Resize the targets of a multi-scale loss to them.
        """
        if self.scales == (1.0,):
            return self._at_one_scale(x)
        logits = [self._at_one_scale(_rescale(x, scale)) for scale in self.scales]
        maximum = torch.stack([resize(one, x) for one in logits]).amax(dim=0)
        return (maximum, *logits) if self.training else maximum

    def _at_one_scale(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the input's size. Padded internally to whole strides, so no edge pixel is lost or shifted."""
        padded = pad_to_multiple(x, (_STRIDE, _STRIDE))
        features = self.backbone(padded)
        summed = torch.stack([branch(features) for branch in self.aspp]).sum(dim=0)
        return centre_crop(resize(summed, padded), x)


class DeepLabV1(DeepLabV2):
    """DeepLab v1 with a large field of view: v2's VGG network with a single branch, of rate 12.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: vgg16, as in the paper, or vgg11, vgg13, vgg19.
        rate: dilation of fc6.
        batch_norm: normalise within the VGG's stages.
        fc_channels: of fc6 and fc7.
        dropout: after fc6 and fc7.

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "vgg16",
        rate: int = 12,
        batch_norm: bool = False,
        fc_channels: int = 1024,
        dropout: float = 0.5,
    ) -> None:
        if backbone not in VGGS:
            raise ConfigError(f"DeepLab v1's backbone must be one of {sorted(VGGS)}, got {backbone!r}")
        super().__init__(
            in_channels,
            out_channels,
            backbone=backbone,
            rates=(rate,),
            batch_norm=batch_norm,
            fc_channels=fc_channels,
            dropout=dropout,
        )


def _rescale(x: torch.Tensor, scale: float) -> torch.Tensor:
    """The image at a scale, at least one pixel wide."""
    if scale == 1:
        return x
    size = [max(1, int(x.shape[axis] * scale)) for axis in (2, 3)]
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _fully_connected(n_in: int, channels: int, n_out: int, *, rate: int, dropout: float) -> nn.Sequential:
    """VGG's fc6, fc7 and fc8 as convolutions."""
    return nn.Sequential(
        nn.Conv2d(n_in, channels, 3, padding=rate, dilation=rate),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(channels, channels, 1),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        class_scores(channels, n_out),
    )


DESIGNS = (
    Design(
        "deeplabv1", DeepLabV1, "Chen et al. 2015", "VGG-16 at output stride 8, fc6 as a 3x3 of rate 12", NORMALISED
    ),
    Design("deeplabv2", DeepLabV2, "Chen et al. 2017", "ResNet-101, class logits of rates 6, 12, 18, 24 summed"),
    Design(
        "deeplabv2_vgg",
        DeepLabV2,
        "Chen et al. 2017",
        "the same pyramid of fc6 to fc8 on a VGG-16",
        {"backbone": "vgg16", **NORMALISED},
    ),
    Design(
        "deeplabv2_pyramid",
        DeepLabV2,
        "Chen et al. 2017",
        "DeepLab v2 at scales 1, 0.75, 0.5 of the image, their maximum",
        {"scales": (1.0, 0.75, 0.5)},
    ),
)
