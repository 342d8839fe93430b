"""ResNet backbones (He et al. 2016) of selectable output stride, by dilation in place of strides (Chen et al. 2017).

MONAI's `ResNetFeatures` has no output stride. Modules carry torchvision's names (`conv1`, `bn1`, `layer1`
... `layer4`, `downsample`), so that state dicts of that layout fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.core.errors import ConfigError

__all__ = ["RESNETS", "VARIANTS", "BasicBlock", "Bottleneck", "CaffeBottleneck", "ResNet"]


def _conv3x3(n_in: int, n_out: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, the block of ResNet-18 and -34.

    Args:
        n_in: channels of the input.
        width: channels within and of the output.
        stride: of the first convolution.
        dilation: of both.
        downsample: the shortcut if shapes differ.
    """

    expansion = 1

    def __init__(
        self, n_in: int, width: int, *, stride: int = 1, dilation: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = _conv3x3(n_in, width, stride=stride, dilation=dilation)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(width, width, dilation=dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, n_in, X, Y) -> (N, width, X / stride, Y / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut, the stride on the 3x3, the block of ResNet-50 and -101.

    Args:
        n_in: channels of the input.
        width: channels within. The output has four times as many.
        stride: of the 3x3 convolution.
        dilation: of the 3x3 convolution.
        downsample: the shortcut if shapes differ.
    """

    expansion = 4

    def __init__(
        self, n_in: int, width: int, *, stride: int = 1, dilation: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride=stride, dilation=dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, n_in, X, Y) -> (N, 4 * width, X / stride, Y / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + shortcut)


class CaffeBottleneck(Bottleneck):
    """A bottleneck as in the ResNets' first release, for Caffe: the stride on the first 1x1 convolution.

    Args:
        n_in: channels of the input.
        width: channels within. The output has four times as many.
        stride: of the first convolution.
        dilation: of the 3x3 convolution.
        downsample: the shortcut if shapes differ.
    """

    def __init__(
        self, n_in: int, width: int, *, stride: int = 1, dilation: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__(n_in, width, dilation=dilation, downsample=downsample)
        self.conv1 = nn.Conv2d(n_in, width, 1, stride=stride, bias=False)


RESNETS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
}
"""Block and number of blocks of each stage, by name."""

_STRIDES = {8: ((1, 2, 1, 1), (1, 1, 2, 4)), 16: ((1, 2, 2, 1), (1, 1, 1, 2)), 32: ((1, 2, 2, 2), (1, 1, 1, 1))}
"""Output stride -> stride and dilation of the four stages."""

VARIANTS = ("plain", "caffe", "torchvision")
"""Arithmetics of `ResNet`, with the same weights."""


class ResNet(nn.Module):
    """A ResNet without its classifier.

    Args:
        name: one of `RESNETS`.
        in_channels: channels of the input.
        output_stride: input size over feature size: 8, 16 or 32.
        multi_grid: factors on the dilations of the last stage's blocks, one a block (the last repeats).
        variant: whose published weights it repeats exactly. "plain": all blocks of a stage have its dilation, as in
            DeepLab's papers. "torchvision": the first block of a stage has the dilation of the stage before. "caffe":
            a bottleneck's stride is on its first 1x1 convolution, and the pooling rounds sizes up.

    Attributes:
        out_channels: channels of the features.
        widths: channels of the five maps that `stages` gives.

    Raises:
        ConfigError: unknown name, output stride or variant.
    """

    def __init__(
        self,
        name: str,
        *,
        in_channels: int = 3,
        output_stride: int = 32,
        multi_grid: Sequence[int] = (1, 1, 1),
        variant: str = "plain",
    ) -> None:
        super().__init__()
        if name not in RESNETS or output_stride not in _STRIDES or variant not in VARIANTS:
            raise ConfigError(
                f"a backbone must be one of {sorted(RESNETS)} with output stride 8, 16 or 32 in one of the variants "
                f"{VARIANTS}, got {name!r} with {output_stride} in {variant!r}"
            )
        block, depths = RESNETS[name]
        block = CaffeBottleneck if variant == "caffe" and block is Bottleneck else block
        strides, dilations = _STRIDES[output_stride]
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=variant == "caffe")
        n_in, stages = 64, []
        for stage, (depth, stride, dilation) in enumerate(zip(depths, strides, dilations, strict=True)):
            factors = multi_grid if stage == 3 else (1,)
            rates = [dilation * factors[min(index, len(factors) - 1)] for index in range(depth)]
            rates[0] = dilations[max(stage - 1, 0)] if variant == "torchvision" else rates[0]
            stages.append(_stage(block, n_in, 64 * 2**stage, stride=stride, rates=rates))
            n_in = 64 * 2**stage * block.expansion
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.out_channels = n_in
        self.widths = (64, *(width * block.expansion for width in (64, 128, 256, 512)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y) -> (N, out_channels, ceil(X / output_stride), ceil(Y / output_stride))."""
        return self.stages(x)[-1]

    def stages(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N, in_channels, X, Y) -> five feature maps: the stem's, at half the size, then those of the four stages.

        Strides are 2, 4, 8, 16, 32, as far as `output_stride` lets them grow. Channels are `widths`.
        """
        stem = self.relu(self.bn1(self.conv1(x)))
        first = self.layer1(self.maxpool(stem))
        second = self.layer2(first)
        third = self.layer3(second)
        return [stem, first, second, third, self.layer4(third)]


def _stage(
    block: type[BasicBlock] | type[Bottleneck], n_in: int, width: int, *, stride: int, rates: Sequence[int]
) -> nn.Sequential:
    """Blocks of one stage. Only the first changes stride and channels."""
    n_out = width * block.expansion
    shortcut = None
    if stride != 1 or n_in != n_out:
        shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))
    blocks = [block(n_in, width, stride=stride, dilation=rates[0], downsample=shortcut)]
    blocks += [block(n_out, width, dilation=rate) for rate in rates[1:]]
    return nn.Sequential(*blocks)
