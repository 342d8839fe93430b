"""U-Net as first published (Ronneberger, Fischer, Brox: arXiv 1505.04597, 2015), and MONAI's residual one, any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from monai.networks.nets import UNet as MonaiUNet
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import NORMALISED, Design
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple

__all__ = [
    "DESIGNS",
    "SLIM_UNET",
    "ExpandingStep",
    "OriginalUNet",
    "ResidualUNet",
    "double_conv",
    "he_initialise",
    "valid_output_size",
]


def double_conv(
    n_in: int, n_out: int, *, padded: bool = True, batch_norm: bool = False, separable: bool = False
) -> nn.Sequential:
    """Two 3x3 convolutions, a ReLU after each.

    Args:
        n_in: channels of the input.
        n_out: channels of the output.
        padded: keep the size. Otherwise each convolution takes a pixel off every side.
        batch_norm: normalise before each ReLU.
        separable: depthwise 3x3 followed by 1x1 instead of full convolutions.
    """
    layers: list[nn.Module] = []
    for width in (n_in, n_out):
        kernel, padding = 3, int(padded)
        if separable:
            layers.append(nn.Conv2d(width, width, kernel, padding=padding, groups=width, bias=False))
            kernel, padding = 1, 0
        layers.append(nn.Conv2d(width, n_out, kernel, padding=padding, bias=not batch_norm))
        layers += [nn.BatchNorm2d(n_out)] if batch_norm else []
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class ExpandingStep(nn.Module):
    """One level up: 2x2 up-convolution, the skip's centre concatenated, two convolutions.

    Args:
        n_in: channels from below.
        n_out: channels of the skip and of the output.
        settings: those of `double_conv`.
    """

    def __init__(self, n_in: int, n_out: int, **settings: bool) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(n_in, n_out, 2, stride=2)
        self.convs = double_conv(2 * n_out, n_out, **settings)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """(N, n_in, X, Y) and (N, n_out, >= 2 X, >= 2 Y) -> (N, n_out, 2 X, 2 Y), 4 less if not padded."""
        x = self.up(x)
        return self.convs(torch.cat([centre_crop(skip, x), x], dim=1))


class OriginalUNet(nn.Module):
    """U-Net: a contracting path of maximum poolings, an expanding path of up-convolutions, skips concatenated.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        base_channels: channels of the first level. Each level below has twice as many.
        depth: levels, one more than there are poolings.
        padded: keep the size, whatever it is. Otherwise the paper's valid convolutions, of which only sizes that
            `valid_output_size` takes go through: 572 pixels give 388.
        batch_norm: normalise before each ReLU (the paper does not).
        dropout: at the end of the contracting path.
        separable: depthwise separable convolutions on all levels but the first, as W-Net has them.

    Raises:
        ConfigError: `base_channels` or `depth` below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 64,
        depth: int = 5,
        padded: bool = True,
        batch_norm: bool = False,
        dropout: float = 0.0,
        separable: bool = False,
    ) -> None:
        super().__init__()
        if base_channels < 1 or depth < 1:
            raise ConfigError(f"a U-Net needs at least 1 base channel and 1 level, got {base_channels} and {depth}")
        self.padded = padded
        self.depth = depth
        widths = [base_channels * 2**level for level in range(depth)]
        self.contracting = nn.ModuleList(
            double_conv(n_in, n_out, padded=padded, batch_norm=batch_norm, separable=separable and level > 0)
            for level, (n_in, n_out) in enumerate(pairwise([in_channels, *widths]))
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.expanding = nn.ModuleList(
            ExpandingStep(
                widths[level + 1],
                widths[level],
                padded=padded,
                batch_norm=batch_norm,
                separable=separable and level > 0,
            )
            for level in reversed(range(depth - 1))
        )
        self.classifier = nn.Conv2d(base_channels, out_channels, 1)
        he_initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y) -> logits (N, out_channels, X, Y), or the valid part of them if not padded.

        Raises:
            ValueError: a size that valid convolutions and poolings do not divide.
        """
        y = self._fit(x)
        skips: list[torch.Tensor] = []
        for convs in self.contracting:
            y = convs(self.pool(y) if skips else y)
            skips.append(y)
        y = self.dropout(y)
        for step, skip in zip(self.expanding, skips[-2::-1], strict=True):
            y = step(y, skip)
        y = self.classifier(y)
        return centre_crop(y, x) if self.padded else y

    def _fit(self, x: torch.Tensor) -> torch.Tensor:
        if self.padded:
            return pad_to_multiple(x, [2 ** (self.depth - 1)] * 2)
        for size in x.shape[2:]:
            valid_output_size(size, depth=self.depth)
        return x


def valid_output_size(size: int, *, depth: int = 5) -> int:
    """Pixels that an unpadded U-Net gives along an axis.

    Args:
        size: pixels of the input.
        depth: levels of the network.

    Raises:
        ValueError: a pooling meets an odd size, or nothing is left.

    >>> valid_output_size(572), valid_output_size(44, depth=3)
    (388, 4)
    """
    left = size
    for _ in range(depth - 1):
        left -= 4
        if left % 2:
            raise ValueError(f"an unpadded U-Net of {depth} levels needs sizes that its poolings halve, got {size}")
        left //= 2
    left -= 4
    for _ in range(depth - 1):
        left = 2 * left - 4
    if left < 1:
        raise ValueError(f"an unpadded U-Net of {depth} levels needs larger images, got {size} pixels")
    return left


def he_initialise(network: nn.Module) -> None:
    """Draw 2D convolutions from N(0, 2 / fan-in), biases zero: initialisation without normalisation."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class ResidualUNet(MonaiUNet):
    """MONAI's U-Net of residual units (Kerfoot et al., STACOM 2018) over slices of any size.

    MONAI's own gives another size, or an error of torch, if the strides do not divide the input. Here the edge is
    repeated and cropped again. Weights have MONAI's names. The settings' defaults are the shipped bundle's.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        channels: of the levels.
        strides: between them.
        num_res_units: convolutions of a unit.
        norm: normalisation, as MONAI names it.
        act: activation, as MONAI names it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        strides: Sequence[int] = (2, 2, 2, 2),
        num_res_units: int = 2,
        norm: str = "BATCH",
        act: str | tuple[str, dict[str, Any]] = ("LEAKYRELU", {"negative_slope": 0.01, "inplace": True}),
    ) -> None:
        super().__init__(
            2, in_channels, out_channels, channels, strides, num_res_units=num_res_units, norm=norm, act=act
        )
        self.multiple = math.prod(strides)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        return centre_crop(self.model(pad_to_multiple(x, (self.multiple, self.multiple))), x)


SLIM_UNET = partial(OriginalUNet, base_channels=32, batch_norm=True)
"""Default component of networks built from other networks."""

DESIGNS = (
    Design(
        "unet",
        OriginalUNet,
        "Ronneberger et al. 2015",
        "contracting and expanding path, skips concatenated",
        NORMALISED,
    ),
    Design(
        "residual_unet", ResidualUNet, "Kerfoot et al. 2018", "MONAI's U-Net of residual units, the shipped bundle's"
    ),
)
