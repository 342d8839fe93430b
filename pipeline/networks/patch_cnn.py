"""Segmentation before fully convolutional training: each pixel classified from the patch around it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.unet import he_initialise

__all__ = ["DESIGNS", "PATCH_SIZE", "PatchCNN"]

_KERNELS = (7, 9, 11, 8)

PATCH_SIZE = 1 + sum(kernel - 1 for kernel in _KERNELS)
"""Edge in pixels of the patch that one pixel is classified from: 32."""

_BEFORE = PATCH_SIZE // 2
"""Pixels of the patch before the one classified. One fewer come after it."""


class PatchCNN(nn.Module):
    """Valid convolutions 7x7, 9x9, 11x11 with ReLU, then a fully connected layer on the 8x8 left of a 32x32 patch.

    The fully connected layer is stored as an 8x8 convolution. The same weights classify one patch (`classify`) or, with
    shared work done once, every pixel of an image (`forward`). There is no pooling: the output stride is 1.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        channels: of the three convolutions.
        padded: repeat edge pixels so that all pixels are classified. Otherwise only those whose patch lies within the
            image are: 320 x 240 pixels give 289 x 209.

    Raises:
        ConfigError: not three channel counts.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, channels: Sequence[int] = (16, 32, 32), padded: bool = True
    ) -> None:
        super().__init__()
        if len(channels) != len(_KERNELS) - 1:
            raise ConfigError(f"the patch CNN needs {len(_KERNELS) - 1} channel counts, got {tuple(channels)}")
        self.padded = padded
        layers: list[nn.Module] = []
        for kernel, (n_in, n_out) in zip(_KERNELS, pairwise([in_channels, *channels]), strict=False):
            layers += [nn.Conv2d(n_in, n_out, kernel), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(channels[-1], out_channels, _KERNELS[-1])
        he_initialise(self)

    def classify(self, patches: torch.Tensor) -> torch.Tensor:
        """Patches (N, in_channels, 32, 32) -> logits (N, out_channels) of the pixel at (16, 16) of each.

        Raises:
            ValueError: patches of another size.
        """
        if patches.shape[2:] != (PATCH_SIZE, PATCH_SIZE):
            raise ValueError(f"patches must have {PATCH_SIZE} x {PATCH_SIZE} pixels, got {tuple(patches.shape[2:])}")
        return self._valid(patches).flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y) -> logits (N, out_channels, X, Y), or (., ., X - 31, Y - 31) if not padded.

        Raises:
            ValueError: not padded, and no patch fits.
        """
        if self.padded:
            after = PATCH_SIZE - 1 - _BEFORE
            return self._valid(functional.pad(x, (_BEFORE, after, _BEFORE, after), mode="replicate"))
        if min(x.shape[2:]) < PATCH_SIZE:
            raise ValueError(f"an unpadded patch CNN needs at least {PATCH_SIZE} pixels, got {tuple(x.shape[2:])}")
        return self._valid(x)

    def _valid(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(x))
        return logits


DESIGNS = (Design("patch_cnn", PatchCNN, "before 2014", "every pixel classified from the 32 x 32 patch around it"),)
