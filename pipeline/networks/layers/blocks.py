"""Blocks that several families of networks share."""

from __future__ import annotations

import torch
from monai.networks.blocks import Convolution
from torch import nn
from torch.nn import functional

__all__ = ["class_scores", "conv_bn_relu", "resize"]


def conv_bn_relu(n_in: int, n_out: int, *, kernel: int = 1, stride: int = 1, dilation: int = 1) -> nn.Module:
    """A convolution without bias, batch normalisation and ReLU, padded so that stride 1 keeps the size.

    Args:
        n_in: channels of the input.
        n_out: channels of the output.
        kernel: size of the kernel, odd.
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


def resize(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Bilinear interpolation of (N, C, X, Y) to the size of `like` (., ., x, y), pixels taken as areas."""
    return functional.interpolate(x, size=[like.shape[2], like.shape[3]], mode="bilinear", align_corners=False)


def class_scores(n_in: int, n_out: int, *, kernel: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution to class logits, which start near zero, however many of them are summed.

    Args:
        n_in: channels of the input.
        n_out: classes.
        kernel: size of the kernel, odd, padded so that the size stays.
        dilation: of the kernel.
    """
    layer = nn.Conv2d(n_in, n_out, kernel, padding=dilation * (kernel // 2), dilation=dilation)
    nn.init.normal_(layer.weight, std=0.01)
    return layer
