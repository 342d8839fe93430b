"""Networks with the very arithmetic of published weights, which give the logits of their source.

DeepLab v2's ResNet-101 was released for Caffe (Chen et al., arXiv 1606.00915, 2017), and is used in two conversions to
PyTorch, pytorch-deeplab-resnet and deeplab-pytorch. torchvision has DeepLab v3 (arXiv 1706.05587, 2017) and an FCN
(after Long et al., arXiv 1411.4038, 2015) on a ResNet. They differ from the papers' networks in `deeplab`,
`deeplab_v1_v2` and `fcn` in where strides, dilations and a convolution lie. `weights.layouts` knows their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.aspp import ASPP, refuse_batch_of_one
from pipeline.networks.layers.blocks import class_scores, conv_bn_relu, resize
from pipeline.networks.layers.outputs import Logits
from pipeline.networks.layers.resnet import ResNet

__all__ = ["DESIGNS", "DeepLabV2Caffe", "DeepLabV3Torchvision", "FCNTorchvision"]

_STRIDE = 8
_FINEST = 1000
"""Largest denominator of a scale."""


class DeepLabV2Caffe(nn.Module):
    """DeepLab v2 as released: Caffe's ResNet, summed 3x3 classifiers, the maximum over three scales of the image.

    Nothing is padded: an axis of 8 k + 1 pixels gives k + 1 scores, which lie on every eighth pixel from the first to
    the last; other sizes are rounded up. Scores of other scales are resized to the first's before the maximum is taken.
    The published weights were trained on colours from 0 to 255 minus their mean, blue before red.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet101, as published, or resnet18, resnet34, resnet50.
        rates: dilations of the classifiers.
        scales: of the image. The scores have the size of the first scale's.
        align_corners: how images and scores are resized. True: corners stay corners, and a scale s makes int(s n) + 1
            pixels of n, as Caffe's `Interp` and pytorch-deeplab-resnet. False: pixels are areas, and it makes
            floor(s n), as in deeplab-pytorch.
        upsampled: training gives logits of the input's size. False: scores as they are, for a loss on labels that are
            resized to them, as v1 and v2 were trained (section 4.1 of v3's paper); see `AuxiliaryLoss`.

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
        scales: Sequence[float] = (1.0, 0.75, 0.5),
        align_corners: bool = True,
        upsampled: bool = True,
    ) -> None:
        super().__init__()
        if not rates or not scales or min(scales) <= 0:
            raise ConfigError(
                f"DeepLab v2 needs rates and positive scales, got rates {tuple(rates)} and scales {tuple(scales)}"
            )
        self.scales = tuple(scales)
        # ratios of whole numbers: sizes worked out by them hold at any size of an exported network
        self._ratios = [Fraction(scale).limit_denominator(_FINEST).as_integer_ratio() for scale in scales]
        self.align_corners = align_corners
        self.upsampled = upsampled
        self.backbone = ResNet(backbone, in_channels=in_channels, output_stride=_STRIDE, variant="caffe")
        n_in = self.backbone.out_channels
        self.aspp = nn.ModuleList(class_scores(n_in, out_channels, kernel=3, dilation=rate) for rate in rates)

    def forward(self, x: torch.Tensor) -> Logits:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y): the maximum over the scales.

        Training with several scales gives a tuple: the maximum, then the logits of each scale, all of the input's size,
        or, if not `upsampled`, at the features' own sizes.
        """
        scores = self.scores(x)
        if torch.jit.is_scripting() or not self.training:
            return self._resize(scores[0], x)
        found = tuple(scores if len(self.scales) > 1 else scores[:1])
        if self.upsampled:
            found = tuple(self._resize(one, x) for one in found)
        return found if len(found) > 1 else found[0]

    def scores(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N, in_channels, X, Y) -> the maximum over the scales (N, out_channels, x, y), then each scale's own scores.

        The maximum has the size of the first scale's scores. Others have the size of their own features.
        """
        each: list[torch.Tensor] = []
        for numerator, denominator in self._ratios:
            features = self.backbone(self._rescale(x, numerator, denominator))
            each.append(torch.stack([branch(features) for branch in self.aspp]).sum(dim=0))
        maximum = torch.stack([self._resize(one, each[0]) for one in each]).amax(dim=0)
        return [maximum] + each  # noqa: RUF005, TorchScript unpacks no lists

    def _rescale(self, x: torch.Tensor, numerator: int, denominator: int) -> torch.Tensor:
        if numerator == denominator:
            return x
        width, height = x.shape[2] * numerator // denominator, x.shape[3] * numerator // denominator
        if self.align_corners:
            return functional.interpolate(x, size=[width + 1, height + 1], mode="bilinear", align_corners=True)
        if min(width, height) < 1:
            return resize(x, x[:, :, :1, :1])
        # by the factor itself, which differs from the ratio of the sizes where they are rounded
        scale = float(numerator) / float(denominator)
        return functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)

    def _resize(self, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        size = [like.shape[2], like.shape[3]]
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=self.align_corners)


class FCNHead(nn.Module):
    """torchvision's FCN head: a 3x3 convolution to a quarter of the channels, dropout and a classifier.

    Args:
        in_channels: channels of the features.
        out_channels: classes.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(in_channels, in_channels // 4, kernel=3)
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Conv2d(in_channels // 4, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y) -> scores (N, out_channels, X, Y)."""
        scores: torch.Tensor = self.classifier(self.dropout(self.conv(x)))
        return scores


class _OnResNet(nn.Module):
    """A network on torchvision's dilated ResNet, defined by `scores`, with an auxiliary head on the third stage."""

    def __init__(self, in_channels: int, out_channels: int, *, backbone: str, auxiliary: bool) -> None:
        super().__init__()
        self.backbone = ResNet(backbone, in_channels=in_channels, output_stride=_STRIDE, variant="torchvision")
        self.auxiliary = FCNHead(self.backbone.widths[3], out_channels) if auxiliary else None

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, C, x, y) of the last stage -> scores (N, out_channels, x, y)."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y), in training also auxiliary logits."""
        *_, third, last = self.backbone.stages(x)
        logits = resize(self.scores(last), x)
        if self.auxiliary is None or not self.training:
            return logits
        return logits, resize(self.auxiliary(third), x)


class DeepLabV3Torchvision(_OnResNet):
    """torchvision's DeepLab v3: rates 12, 24, 36 at output stride 8, and a 3x3 convolution before the classifier.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet50 or resnet101, as published, or resnet18, resnet34.
        aspp_channels: channels of each branch of the ASPP, and after it.
        auxiliary: a second head in training. Published weights have one; torchvision weighs its loss by 0.5.
        dropout: after the ASPP.

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "resnet50",
        aspp_channels: int = 256,
        auxiliary: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(in_channels, out_channels, backbone=backbone, auxiliary=auxiliary)
        self.aspp = ASPP(self.backbone.out_channels, aspp_channels, rates=(12, 24, 36))
        self.dropout = nn.Dropout(dropout)
        self.head = conv_bn_relu(aspp_channels, aspp_channels, kernel=3)
        self.classifier = nn.Conv2d(aspp_channels, out_channels, 1)

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, C, x, y) of the last stage -> scores (N, out_channels, x, y).

        Raises:
            ValueError: training with a batch of one: the image-level branch is normalised over the batch alone.
        """
        refuse_batch_of_one(features, self.training, "DeepLab v3")
        scores: torch.Tensor = self.classifier(self.head(self.dropout(self.aspp(features))))
        return scores


class FCNTorchvision(_OnResNet):
    """torchvision's FCN: a dilated ResNet of output stride 8 and one 3x3 convolution before the classifier.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet50 or resnet101, as published, or resnet18, resnet34.
        auxiliary: a second head in training. Published weights have one; torchvision weighs its loss by 0.5.

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, backbone: str = "resnet50", auxiliary: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, backbone=backbone, auxiliary=auxiliary)
        self.head = FCNHead(self.backbone.out_channels, out_channels)

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, C, x, y) of the last stage -> scores (N, out_channels, x, y)."""
        scores: torch.Tensor = self.head(features)
        return scores


DESIGNS = (
    Design(
        "fcn_torchvision",
        FCNTorchvision,
        "Long et al. 2015",
        "torchvision's: ResNet-50 at output stride 8 and a 3x3 head; takes its published weights exactly",
    ),
    Design(
        "deeplabv2_caffe",
        DeepLabV2Caffe,
        "Chen et al. 2017",
        "DeepLab v2 as released for Caffe, scales 1, 0.75, 0.5; takes its published weights exactly",
    ),
    Design(
        "deeplabv3_torchvision",
        DeepLabV3Torchvision,
        "Chen et al. 2017",
        "torchvision's: output stride 8, a 3x3 before the classifier; takes its published weights exactly",
    ),
)
