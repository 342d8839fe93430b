"""VGG backbones (Simonyan and Zisserman, arXiv 1409.1556, 2014), as fully convolutional networks use them.

Convolutions lie in one flat `features`, as torchvision numbers them, so that state dicts of that layout fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.core.errors import ConfigError

__all__ = ["VGG", "VGGS"]

_WIDTHS = (64, 128, 256, 512, 512)
VGGS: dict[str, tuple[int, ...]] = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""Convolutions of each of the five stages, by name."""


class VGG(nn.Module):
    """The convolutions of a VGG: five stages of 3x3 convolutions and ReLU, a maximum pooling after each.

    Args:
        name: one of `VGGS`.
        in_channels: channels of the input.
        batch_norm: normalise before each ReLU, as torchvision's `vgg16_bn`.
        pool_strides: of the five poolings. 2: 2x2, halves the size (odd sizes lose a pixel). 1: 3x3 over the same
            size, as DeepLab v1 keeps its last two. 0: no pooling, as the dilated front-end drops its last two.
        dilations: of the five stages' convolutions.

    Attributes:
        widths: channels that each of the five stages gives.

    Raises:
        ConfigError: an unknown name, or not five strides of 0, 1 or 2 and five dilations.
    """

    def __init__(
        self,
        name: str = "vgg16",
        *,
        in_channels: int = 3,
        batch_norm: bool = False,
        pool_strides: Sequence[int] = (2, 2, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1, 1),
    ) -> None:
        super().__init__()
        if name not in VGGS:
            raise ConfigError(f"a VGG must be one of {sorted(VGGS)}, got {name!r}")
        if len(pool_strides) != 5 or not set(pool_strides) <= {0, 1, 2} or len(dilations) != 5:
            raise ConfigError(
                f"a VGG needs five pooling strides of 0, 1 or 2 and five dilations, got {pool_strides}, {dilations}"
            )
        self.widths = _WIDTHS
        layers: list[nn.Module] = []
        self._stages: list[tuple[int, int]] = []
        n_in = in_channels
        for depth, width, stride, dilation in zip(VGGS[name], _WIDTHS, pool_strides, dilations, strict=True):
            start = len(layers)
            for _ in range(depth):
                layers.append(nn.Conv2d(n_in, width, 3, padding=dilation, dilation=dilation))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                n_in = width
            self._stages.append((start, len(layers)))
            layers.append(_pooling(stride))
        self.features = nn.Sequential(*layers)

    def stage(self, index: int) -> nn.Sequential:
        """Convolutions of stage 0 to 4, its pooling left out. The modules are shared with `features`."""
        start, stop = self._stages[index]
        return nn.Sequential(*list(self.features)[start:stop])

    def pool(self, index: int) -> nn.Module:
        """The pooling after stage 0 to 4."""
        return self.features[self._stages[index][1]]

    def stages(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N, in_channels, X, Y) -> what each of the five stages gives before its pooling, (N, widths[i], ., .)."""
        found = []
        for index in range(len(self._stages)):
            x = self.stage(index)(x)
            found.append(x)
            x = self.pool(index)(x)
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y) -> (N, 512, ., .) after the last pooling."""
        features: torch.Tensor = self.features(x)
        return features


def _pooling(stride: int) -> nn.Module:
    if stride == 0:
        return nn.Identity()
    return nn.MaxPool2d(2, stride=2) if stride == 2 else nn.MaxPool2d(3, stride=1, padding=1)
