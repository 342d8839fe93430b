"""Networks whose decoder mirrors a VGG and unpools with the encoder's max indices.

SegNet: Badrinarayanan, Kendall, Cipolla, arXiv 1511.00561, 2017. DeconvNet: Noh, Hong, Han: Learning Deconvolution
Network for Semantic Segmentation, arXiv 1505.04366, 2015.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.layers.upsampling import max_pool, max_unpool
from pipeline.networks.layers.vgg import VGG, VGGS
from pipeline.networks.unet import he_initialise

__all__ = ["DESIGNS", "DeconvNet", "SegNet"]

_STRIDE = 32


class SegNet(nn.Module):
    """SegNet: VGG convolutions, the same ones mirrored, all normalised, but the last, which gives the classes.

    Each decoder stage unpools with the indices of its encoder's pooling, then convolves the sparse map. Poolings round
    sizes up, as the original does, so that no edge pixel is lost. Unpooling returns to the very size pooled.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `VGGS` (vgg16 in the paper).

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(self, in_channels: int, out_channels: int, *, backbone: str = "vgg16") -> None:
        super().__init__()
        self.backbone = _encoder(backbone, in_channels)
        depths = VGGS[backbone]
        self.decoder = _mirror(self.backbone, (depths[0] - 1, *depths[1:]), nn.Conv2d)
        self.classifier = nn.Conv2d(self.backbone.widths[0], out_channels, 3, padding=1)
        he_initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        features, poolings = _encode(self.backbone, x)
        logits: torch.Tensor = self.classifier(_decode(self.decoder, features, poolings))
        return logits


class DeconvNet(nn.Module):
    """DeconvNet: a VGG down to a vector, through fc6 and fc7, and up again by unpooling and deconvolutions.

    fc6 covers k x k features with one output (7x7, a 224-pixel image, in the paper), its mirror spreads them again.
    Every layer is normalised. Larger images give several such vectors, smaller ones are padded by repeating the edge.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `VGGS` (vgg16 in the paper).
        fc_channels: of fc6 and fc7.
        fc_kernel: k. 32 k pixels are the least image that is not padded.

    Raises:
        ConfigError: an unknown backbone, or a kernel below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "vgg16",
        fc_channels: int = 4096,
        fc_kernel: int = 7,
    ) -> None:
        super().__init__()
        if fc_kernel < 1:
            raise ConfigError(f"DeconvNet's fully connected kernel must be at least 1, got {fc_kernel}")
        self.least = _STRIDE * fc_kernel
        self.backbone = _encoder(backbone, in_channels)
        deepest = self.backbone.widths[-1]
        self.dense = nn.Sequential(
            *_with_norm(nn.Conv2d(deepest, fc_channels, fc_kernel)),
            *_with_norm(nn.Conv2d(fc_channels, fc_channels, 1)),
            *_with_norm(nn.ConvTranspose2d(fc_channels, deepest, fc_kernel)),
        )
        self.decoder = _mirror(self.backbone, VGGS[backbone], nn.ConvTranspose2d)
        self.classifier = nn.Conv2d(self.backbone.widths[0], out_channels, 1)
        he_initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y).

        Raises:
            ValueError: training with a batch of one whose fc6 is one vector, which cannot be normalised.
        """
        if self.training and x.shape[0] == 1 and max(x.shape[2:]) <= self.least:
            raise ValueError(
                f"training DeconvNet needs a batch of at least 2 or images above {self.least} pixels, since fc6's one "
                "vector cannot be normalised alone; raise `batch_size` (evaluation takes a batch of 1)"
            )
        padded = pad_to_multiple(x, [self.least if size < self.least else 1 for size in x.shape[2:]])
        features, poolings = _encode(self.backbone, padded)
        return centre_crop(self.classifier(_decode(self.decoder, self.dense(features), poolings)), x)


def _encoder(backbone: str, in_channels: int) -> VGG:
    """A normalised VGG without poolings of its own: those here must give indices."""
    return VGG(backbone, in_channels=in_channels, batch_norm=True, pool_strides=(0,) * 5)


def _mirror(encoder: VGG, depths: tuple[int, ...], layer: type[nn.Conv2d] | type[nn.ConvTranspose2d]) -> nn.ModuleList:
    """Decoder stages, deepest first; the last layer of each gives the next stage's width."""
    stages = []
    for depth, width, narrower in zip(depths, encoder.widths, (encoder.widths[0], *encoder.widths), strict=False):
        widths = [width] * depth + [narrower]
        layers = [_with_norm(layer(n_in, n_out, 3, padding=1)) for n_in, n_out in pairwise(widths)]
        stages.append(nn.Sequential(*(module for modules in layers for module in modules)))
    return nn.ModuleList(reversed(stages))


def _with_norm(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True)]


def _encode(encoder: VGG, x: torch.Tensor) -> tuple[torch.Tensor, list[tuple[torch.Tensor, list[int]]]]:
    """Deepest features, and of each pooling, finest first, its indices and the size it pooled."""
    poolings = []
    for index in range(len(encoder.widths)):
        x = encoder.stage(index)(x)
        size = [x.shape[2], x.shape[3]]
        x, indices = max_pool(x)
        poolings.append((indices, size))
    return x, poolings


def _decode(
    decoder: nn.ModuleList, features: torch.Tensor, poolings: list[tuple[torch.Tensor, list[int]]]
) -> torch.Tensor:
    """Unpool and convolve, deepest first."""
    for stage, (indices, size) in zip(decoder, reversed(poolings), strict=True):
        features = stage(max_unpool(features, indices, size=size))
    return features


DESIGNS = (
    Design(
        "segnet",
        SegNet,
        "Badrinarayanan et al. 2017",
        "VGG-16 and its mirror, which unpools with the encoder's max indices",
    ),
    Design(
        "deconvnet", DeconvNet, "Noh et al. 2015", "VGG-16 down to one vector, mirrored unpooling and deconvolution"
    ),
)
