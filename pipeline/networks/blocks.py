"""Blocks that several families of networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn
from torch.nn import functional

__all__ = ["conv_bn_relu", "resize"]


def conv_bn_relu(n_in: int, n_out: int, *, kernel: int = 1, stride: int = 1, dilation: int = 1) -> nn.Module:
    """A convolution without bias, batch normalisation and ReLU; padded so that stride 1 keeps the size.

    Args:
        n_in: channels of the input.
        n_out: channels of the output.
        kernel: odd edge of the kernel.
        stride: of the convolution.
        dilation: of the kernel.
    """
    return Convolution(
        spatial_dims=2,
        in_channels=n_in,
        out_channels=n_out,
        kernel_size=kernel,
        strides=stride,
        dilation=dilation,
        bias=False,
        adn_ordering="NA",
        norm="BATCH",
        act="RELU",
    )


def resize(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Bilinear interpolation of (N, C, X, Y) to (N, C, *size), pixels taken as areas (corners not aligned)."""
    return functional.interpolate(x, size=[int(size[0]), int(size[1])], mode="bilinear", align_corners=False)
