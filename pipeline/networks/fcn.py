"""Fully convolutional networks FCN-32s, -16s, -8s (Long, Shelhamer, Darrell: arXiv 1411.4038, 2015)."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import NORMALISED, Design
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.layers.upsampling import bilinear_transposed
from pipeline.networks.layers.vgg import VGG
from pipeline.networks.unet import he_initialise

__all__ = ["DESIGNS", "FCN", "dense_as_convolutions"]

_COARSEST = 32
_SKIPS = {32: 0, 16: 1, 8: 2}
"""Stride of the finest scores -> number of skips."""

_AT_ONCE = 1024  # output channels; oneDNN's fast loops were seen up to 2048


def dense_as_convolutions(
    n_in: int, channels: int, *, kernel: int = 7, dilation: int = 1, dropout: float = 0.5
) -> nn.Sequential:
    """VGG's fully connected layers fc6 and fc7 as a k x k and a 1x1 convolution, each with ReLU and dropout.

    Args:
        n_in: channels of the input.
        channels: of both layers.
        kernel: odd edge of fc6, padded so that the size stays.
        dilation: of fc6.
        dropout: after both.
    """
    return nn.Sequential(
        _WideConv2d(n_in, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Conv2d(channels, channels, 1),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
    )


class _WideConv2d(nn.Conv2d):
    """A convolution that, dilated, trains on a CPU by some output channels at a time, with the same result.

    All of 4096 at once, dilated so that the kernel spans more than the image, take oneDNN 3.12's reference loops for
    the weights' gradient: more than eight minutes a step instead of two seconds (torch 2.13, four images of 512
    channels and 12 x 12 pixels, one core).
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or x.device.type != "cpu" or self.dilation == (1, 1) or self.bias is None:
            return super().forward(x)
        parts = zip(self.weight.split(_AT_ONCE), self.bias.split(_AT_ONCE), strict=True)
        one = partial(functional.conv2d, stride=self.stride, padding=self.padding, dilation=self.dilation)
        return torch.cat([one(x, weight, bias) for weight, bias in parts], dim=1)


class FCN(nn.Module):
    """FCN: a VGG turned convolutional, whose class scores are upsampled and summed with those of finer features.

    Scores of stride 32 are doubled and added to scores of the fourth pooling (FCN-16s), these to scores of the third
    (FCN-8s). The sum is upsampled to full size. All upsampling is by transposed convolutions that start bilinear and
    learn. Skips' scores start at zero, so that training starts from what the coarser network gives. The coarsest ones
    start small and random, not at zero, which would keep all gradients from the backbone in the first step.

    The original pads the image by 100 zeros and crops by offsets. Here fc6 keeps the size and the image's edge is
    repeated to a multiple of 32, so that all score maps lie centred over the image.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        stride: of the finest scores: 32, 16 or 8.
        backbone: one of `VGGS`.
        fc_channels: of fc6 and fc7.
        batch_norm: normalise within the VGG (the paper does not, but training from scratch profits).
        dropout: after fc6 and fc7.

    Raises:
        ConfigError: an unknown backbone or another stride.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 8,
        backbone: str = "vgg16",
        fc_channels: int = 4096,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if stride not in _SKIPS:
            raise ConfigError(f"an FCN's stride must be one of {sorted(_SKIPS)}, got {stride}")
        self.backbone = VGG(backbone, in_channels=in_channels, batch_norm=batch_norm)
        self.dense = dense_as_convolutions(self.backbone.widths[-1], fc_channels, dropout=dropout)
        self.score = nn.Conv2d(fc_channels, out_channels, 1)
        skips = self.backbone.widths[3::-1][: _SKIPS[stride]]
        self.skip_scores = nn.ModuleList(nn.Conv2d(n_in, out_channels, 1) for n_in in skips)
        self.doublings = nn.ModuleList(bilinear_transposed(out_channels, out_channels) for _ in skips)
        self.upsampling = bilinear_transposed(out_channels, out_channels, factor=stride)
        he_initialise(self)
        nn.init.normal_(self.score.weight, std=0.01)
        for skip_score in self.skip_scores.parameters():
            nn.init.zeros_(skip_score)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        features = pad_to_multiple(x, (_COARSEST, _COARSEST))
        pools = []
        for index in range(5):
            features = self.backbone.pool(index)(self.backbone.stage(index)(features))
            pools.append(features)
        scores = self.score(self.dense(features))
        for doubling, skip_score, pool in zip(self.doublings, self.skip_scores, pools[3::-1], strict=False):
            scores = doubling(scores) + skip_score(pool)
        return centre_crop(self.upsampling(scores), x)


DESIGNS = (
    Design(
        "fcn32s",
        FCN,
        "Long et al. 2015",
        "VGG-16 as convolutions, scores of stride 32 upsampled by learned filters",
        {"stride": 32, **NORMALISED},
    ),
    Design(
        "fcn16s",
        FCN,
        "Long et al. 2015",
        "FCN-32s and scores of the fourth pooling, summed",
        {"stride": 16, **NORMALISED},
    ),
    Design(
        "fcn8s", FCN, "Long et al. 2015", "FCN-16s and scores of the third pooling, summed", {"stride": 8, **NORMALISED}
    ),
)
