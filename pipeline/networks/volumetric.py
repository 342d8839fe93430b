"""Networks over whole stacks, (N, C, X, Y, Z): 3D U-Net and V-Net, for any number of slices.

Axes that poolings do not divide are padded by replication inside and cropped afterwards: a short-axis stack of 10
slices is padded to 16 by both networks as published. `z_pooling` of the 3D U-Net pools less along Z instead.

On a CPU, both leave bfloat16 autocast if the deepest level would be narrower in X or Y than the kernel: oneDNN
3.12's weight gradients of 3D convolutions are wrong there (torch 2.13, AMX, while 2D ones are right).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import torch
from monai.networks.blocks import Convolution
from monai.networks.nets import VNet as MonaiVNet
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple

__all__ = ["DESIGNS", "UNet3D", "VNet"]


class UNet3D(nn.Module):
    """3D U-Net (Cicek et al., arXiv 1606.06650, 2016): concatenated skips, channels doubled before each pooling.

    Two 3x3x3 convolutions a level, each with batch normalisation and ReLU. MONAI's `BasicUNet` has other widths, leaky
    ReLU and instance normalisation.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        base_channels: channels of the very first convolution. The first level gives twice as many.
        z_pooling: stride along Z of each pooling, 1 or 2. X and Y are always halved. The paper's is 2 throughout.
            With slices much thicker than pixels, (1, 1, 2) or (1, 1, 1) suits better. There is one level more.

    Raises:
        ConfigError: no base channel, no pooling, or a stride other than 1 or 2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 32,
        z_pooling: Sequence[int] = (2, 2, 2),
    ) -> None:
        super().__init__()
        if base_channels < 1 or not z_pooling or not set(z_pooling) <= {1, 2}:
            raise ConfigError(
                "a 3D U-Net needs a base channel at least and poolings along Z of 1 or 2, "
                f"got {base_channels} and {tuple(z_pooling)}"
            )
        self.multiples = (2 ** len(z_pooling), 2 ** len(z_pooling), math.prod(z_pooling))
        strides = [(2, 2, stride) for stride in z_pooling]
        widths = [2 * base_channels * 2**level for level in range(len(strides) + 1)]
        self.contracting = nn.ModuleList(
            _double_conv(n_in, n_out // 2, n_out) for n_in, n_out in pairwise([in_channels, *widths])
        )
        self.pools = nn.ModuleList(nn.MaxPool3d(stride) for stride in strides)
        self.ups = nn.ModuleList(
            nn.ConvTranspose3d(width, width, stride, stride=stride, bias=False)
            for width, stride in zip(widths[:0:-1], strides[::-1], strict=True)
        )
        self.expanding = nn.ModuleList(
            _double_conv(below + width, width, width) for below, width in pairwise(widths[::-1])
        )
        self.classifier = nn.Conv3d(widths[0], out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y, Z), any size -> logits (N, out_channels, X, Y, Z)."""
        padded = pad_to_multiple(x, self.multiples)
        with _precision(padded, least=3 * self.multiples[0]):
            return centre_crop(self._logits(padded), x)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        y = self.contracting[0](x)
        skips = []
        for pool, convs in zip(self.pools, list(self.contracting)[1:], strict=True):
            skips.append(y)
            y = convs(pool(y))
        for up, convs in zip(self.ups, self.expanding, strict=True):
            y = convs(torch.cat([skips.pop(), up(y)], dim=1))
        return self.classifier(y)


def _double_conv(n_in: int, within: int, n_out: int) -> nn.Sequential:
    """Two 3x3x3 convolutions, each with batch normalisation and ReLU."""
    return nn.Sequential(
        *[
            Convolution(3, width, n, kernel_size=3, bias=False, adn_ordering="NA", norm="BATCH", act="RELU")
            for width, n in ((n_in, within), (within, n_out))
        ]
    )


class VNet(nn.Module):
    """V-Net (Milletari, Navab, Ahmadi, arXiv 1606.04797, 2016): 5x5x5 residual blocks, strided 2x2x2 down and up.

    MONAI's `VNet`, which also normalises, fed with sizes that its four halvings divide by 16. The paper trains it by
    soft Dice.

    Args:
        in_channels: channels of the input: 1, 2, 4, 8 or 16, as the first residual repeats them to 16.
        out_channels: classes.
        dropout: of whole channels, wherever MONAI's network drops.

    Raises:
        ConfigError: a number of channels that does not divide 16.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        if in_channels not in (1, 2, 4, 8, 16):
            raise ConfigError(f"V-Net takes 1, 2, 4, 8 or 16 input channels, got {in_channels}")
        self.network = MonaiVNet(in_channels=in_channels, out_channels=out_channels, act="prelu")
        for module in self.network.modules():
            if isinstance(module, nn.Dropout3d):
                module.p = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y, Z), any size -> logits (N, out_channels, X, Y, Z)."""
        padded = pad_to_multiple(x, (16, 16, 16))
        with _precision(padded, least=5 * 16):
            return centre_crop(self.network(padded), x)


def _precision(x: torch.Tensor, *, least: int) -> AbstractContextManager[object]:
    """Disable autocast on a CPU for images of fewer than `least` pixels along X or Y. Otherwise change nothing."""
    if x.device.type == "cpu" and min(x.shape[2:4]) < least:
        return torch.autocast("cpu", enabled=False)
    return nullcontext()


DESIGNS = (
    Design("unet3d", UNet3D, "Cicek et al. 2016", "U-Net in 3D, over stacks of slices", in_3d=True),
    Design(
        "vnet",
        VNet,
        "Milletari et al. 2016",
        "residual blocks of 5x5x5 convolutions in 3D, over stacks of slices",
        in_3d=True,
    ),
)
