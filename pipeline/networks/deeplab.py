"""DeepLab v3, its cascaded variant, and v3+.

v3: Chen, Papandreou, Schroff, Adam: Rethinking Atrous Convolution, arXiv 1706.05587, 2017.
v3+: Chen, Zhu, Papandreou, Schroff, Adam: Encoder-Decoder with Atrous Separable Convolution, arXiv 1802.02611, 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.aspp import ASPP, refuse_batch_of_one
from pipeline.networks.layers.blocks import conv_bn_relu, resize
from pipeline.networks.layers.resnet import RESNETS, ResNet

__all__ = ["DESIGNS", "DeepLabV3", "DeepLabV3Cascade", "DeepLabV3Plus"]

_LEVELS = {2: 0, 4: 1, 8: 2}
"""Stride -> index of the backbone's feature map."""


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
        self.backbone = _build_dilated(
            "DeepLab v3", backbone, in_channels=in_channels, output_stride=output_stride, multi_grid=multi_grid
        )
        self.aspp = _aspp(self.backbone.out_channels, aspp_channels, output_stride=output_stride)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(aspp_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y).

        Raises:
            ValueError: training with a batch of one: the image-level branch is normalised over the batch alone.
        """
        refuse_batch_of_one(x, self.training, "DeepLab v3")
        features = self.dropout(self.aspp(self.backbone(x)))
        return resize(self.classifier(features), x)


class DeepLabV3Cascade(nn.Module):
    """DeepLab v3's cascaded variant: copies of the ResNet's block 4 in series, dilated further, no ASPP.

    Each copy doubles the dilation of the block before it: 2, 4, 8, 16 for blocks 4 to 7 at output stride 16, twice that
    at 8, each times the multi-grid (section 3.2 of the paper).

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet18, resnet34, resnet50 or resnet101.
        output_stride: 16 or 8.
        multi_grid: factors on the dilations within each of blocks 4 to 7.
        last_block: 4 (no copy) to 7.
        dropout: before the classifier.

    Raises:
        ConfigError: an unknown backbone, output stride or last block.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "resnet50",
        output_stride: int = 16,
        multi_grid: Sequence[int] = (1, 2, 1),
        last_block: int = 7,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if last_block not in (4, 5, 6, 7):
            raise ConfigError(f"DeepLab v3's last block must be 4, 5, 6 or 7, got {last_block}")
        self.backbone = _build_dilated(
            "DeepLab v3", backbone, in_channels=in_channels, output_stride=output_stride, multi_grid=multi_grid
        )
        dilations = [16 // output_stride * 2 ** (block - 3) for block in range(5, last_block + 1)]
        self.cascade = nn.Sequential(*(_copy_of_block4(backbone, dilation, multi_grid) for dilation in dilations))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(self.backbone.out_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        features = self.dropout(self.cascade(self.backbone(x)))
        return resize(self.classifier(features), x)


class DeepLabV3Plus(nn.Module):
    """DeepLab v3+: v3's features, refined by a decoder that sees finer features of the backbone.

    At each of the decoder's strides, coarse features are resized, concatenated with the backbone's features (reduced by
    a 1x1 convolution) and pass two 3x3 convolutions. Convolutions are plain, not separable.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet18, resnet34, resnet50 or resnet101.
        output_stride: of the backbone, 16 or 8 (rates of the ASPP then double).
        multi_grid: factors on the dilations of the last stage.
        aspp_channels: channels of each branch of the ASPP.
        decoder_channels: of the 3x3 convolutions.
        decoder_strides: where to refine, falling and finer than `output_stride`: (4,) as in the paper. (4, 2) refines
            again with the stem's features.
        skip_channels: of the backbone's features after their 1x1 convolution.
        rates: of the ASPP. `None`: the paper's, which reach past the features of windows much smaller than its 513
            pixels.
        dropout: of the features that leave the ASPP.

    Raises:
        ConfigError: an unknown backbone or output stride, or decoder strides that are not falling ones of 8, 4 and 2.
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
        decoder_channels: int = 256,
        decoder_strides: Sequence[int] = (4,),
        skip_channels: int = 48,
        rates: Sequence[int] | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbone = _build_dilated(
            "DeepLab v3+", backbone, in_channels=in_channels, output_stride=output_stride, multi_grid=multi_grid
        )
        strides = [output_stride, *decoder_strides]
        if not decoder_strides or not set(decoder_strides) <= set(_LEVELS) or sorted(set(strides))[::-1] != strides:
            raise ConfigError(
                f"DeepLab v3+'s decoder strides must fall from below the output stride {output_stride} and be of "
                f"{sorted(_LEVELS)}, got {tuple(decoder_strides)}"
            )
        self.aspp = (
            ASPP(self.backbone.out_channels, aspp_channels, rates=rates)
            if rates
            else _aspp(self.backbone.out_channels, aspp_channels, output_stride=output_stride)
        )
        self.dropout = nn.Dropout(dropout)
        self.levels = [_LEVELS[stride] for stride in decoder_strides]
        n_ins = [aspp_channels] + [decoder_channels] * (len(self.levels) - 1)
        self.decoder = nn.ModuleList(
            _Refinement(n_in, decoder_channels, n_fine=self.backbone.widths[level], skip_channels=skip_channels)
            for n_in, level in zip(n_ins, self.levels, strict=True)
        )
        self.classifier = nn.Conv2d(decoder_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y).

        Raises:
            ValueError: training with a batch of one: the image-level branch is normalised over the batch alone.
        """
        refuse_batch_of_one(x, self.training, "DeepLab v3+")
        stages = self.backbone.stages(x)
        features = self.dropout(self.aspp(stages[-1]))
        for index, refinement in enumerate(self.decoder):
            features = refinement(features, stages[self.levels[index]])
        return resize(self.classifier(features), x)


class _Refinement(nn.Module):
    """One step of the v3+ decoder: coarse features and the backbone's finer ones, `n_fine` of them."""

    def __init__(self, n_in: int, n_out: int, *, n_fine: int, skip_channels: int) -> None:
        super().__init__()
        self.reduce = conv_bn_relu(n_fine, skip_channels)
        self.convs = nn.Sequential(
            conv_bn_relu(n_in + skip_channels, n_out, kernel=3), conv_bn_relu(n_out, n_out, kernel=3)
        )

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        fine = self.reduce(fine)
        return self.convs(torch.cat([resize(coarse, fine), fine], dim=1))


def _build_dilated(
    network: str, backbone: str, *, in_channels: int, output_stride: int, multi_grid: Sequence[int]
) -> ResNet:
    """The backbone, at an output stride that DeepLab knows."""
    if output_stride not in (8, 16):
        raise ConfigError(f"{network}'s output stride must be 8 or 16, got {output_stride}")
    return ResNet(backbone, in_channels=in_channels, output_stride=output_stride, multi_grid=multi_grid)


def _aspp(in_channels: int, channels: int, *, output_stride: int) -> ASPP:
    """The ASPP, its rates doubled at output stride 8."""
    return ASPP(in_channels, channels, rates=[rate * (16 // output_stride) for rate in (6, 12, 18)])


def _copy_of_block4(backbone: str, dilation: int, multi_grid: Sequence[int]) -> nn.Sequential:
    """A copy of a ResNet's last block: as many units of the same width, initialised like the backbone."""
    unit, depths = RESNETS[backbone]
    factors = [multi_grid[min(index, len(multi_grid) - 1)] for index in range(depths[3])]
    block = nn.Sequential(*(unit(512 * unit.expansion, 512, dilation=dilation * factor) for factor in factors))
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return block


DESIGNS = (
    Design(
        "deeplabv3", DeepLabV3, "Chen et al. 2017", "ResNet-50, multi-grid, atrous pyramid with image-level features"
    ),
    Design(
        "deeplabv3_cascade",
        DeepLabV3Cascade,
        "Chen et al. 2017",
        "ResNet-50 and more copies of its last block in series",
    ),
    Design("deeplabv3plus", DeepLabV3Plus, "Chen et al. 2018", "DeepLab v3 and a decoder that sees finer features"),
)
