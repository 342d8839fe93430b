"""ParseNet (Liu, Rabinovich, Berg: ParseNet: Looking Wider to See Better, arXiv 1506.04579, 2015)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pipeline.networks.designs import NORMALISED, Design
from pipeline.networks.fcn import dense_as_convolutions
from pipeline.networks.layers.blocks import resize
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.layers.vgg import VGG
from pipeline.networks.unet import he_initialise

__all__ = ["DESIGNS", "GlobalContext", "L2Norm", "ParseNet"]

_STRIDE = 8


class L2Norm(nn.Module):
    """Each pixel's channels as a vector of length 1, times a learned scale a channel.

    Args:
        channels: of the input.
        scale: at the start.
    """

    def __init__(self, channels: int, *, scale: float = 10.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, X, Y) -> the same shape. Pixels that are zero stay zero."""
        unit = functional.normalize(x.float(), dim=1, eps=1e-6)  # in half precision squares would leave its range
        return (self.scale * unit).to(x.dtype)


class GlobalContext(nn.Module):
    """Features and their average over the whole image, each L2-normalised so that neither dominates.

    Args:
        channels: of the features.
        scale: length of the normalised vectors at the start (10 to 20 in the paper).
    """

    def __init__(self, channels: int, *, scale: float = 10.0) -> None:
        super().__init__()
        self.local_norm = L2Norm(channels, scale=scale)
        self.global_norm = L2Norm(channels, scale=scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, X, Y) -> (N, 2 channels, X, Y), local features first. The context is the same at each pixel."""
        context = self.global_norm(x.mean(dim=(2, 3), keepdim=True))
        return torch.cat([self.local_norm(x), context.expand_as(x)], dim=1)


class ParseNet(nn.Module):
    """ParseNet: a VGG of output stride 8, fc6 and fc7 as convolutions, global context, a classifier.

    The VGG is the one of DeepLab v1 with a large field of view, as in the paper: its last two poolings keep the size,
    the fifth stage has dilation 2, fc6 is a 3x3 of rate 12.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `VGGS`.
        fc_channels: of fc6 and fc7.
        scale: of the normalised features at the start.
        batch_norm: normalise within the VGG (the paper does not).
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
        fc_channels: int = 1024,
        scale: float = 10.0,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.backbone = VGG(
            backbone,
            in_channels=in_channels,
            batch_norm=batch_norm,
            pool_strides=(2, 2, 2, 1, 1),
            dilations=(1, 1, 1, 1, 2),
        )
        self.dense = dense_as_convolutions(
            self.backbone.widths[-1], fc_channels, kernel=3, dilation=12, dropout=dropout
        )
        self.context = GlobalContext(fc_channels, scale=scale)
        self.classifier = nn.Conv2d(2 * fc_channels, out_channels, 1)
        he_initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        padded = pad_to_multiple(x, (_STRIDE, _STRIDE))
        logits = self.classifier(self.context(self.dense(self.backbone(padded))))
        return centre_crop(resize(logits, padded), x)


DESIGNS = (
    Design("parsenet", ParseNet, "Liu et al. 2015", "features and their L2-normalised mean over the image", NORMALISED),
)
