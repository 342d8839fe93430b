"""FullNet (Qu et al., MICCAI 2019): no pooling, context by dilation alone.

Improving Nuclei/Gland Instance Segmentation in Histopathology Images by Full Resolution Neural Network and Spatial
Constrained Loss, doi 10.1007/978-3-030-32239-7_42.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design

__all__ = ["DESIGNS", "FullNet"]


class FullNet(nn.Module):
    """Dense blocks at full resolution, each with its own dilation and followed by a 1x1 that halves the channels.

    Every convolution but the last is followed by leaky ReLU, then batch normalisation. Features of the whole network
    stay at the input's size, so that memory grows with the number of blocks. For training on a CPU in bfloat16 see
    `pipeline.networks.memory.fastest_format`: in channels-last format its gradients are wrong.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        growth: channels that a dense layer adds, and of the first convolution.
        n_layers: layers of a dense block.
        dilations: one entry per block: one rate for all its layers, or a list with a rate per layer (hybrid dilation,
            which keeps a large rate from leaving gaps).
        dropout: after each dense layer.

    Raises:
        ConfigError: no block, or rates that are not positive or not one a layer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        growth: int = 24,
        n_layers: int = 6,
        dilations: Sequence[int | Sequence[int]] = (1, 2, 4, 8, 16, 4, 1),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        rates = [[entry] * n_layers if isinstance(entry, int) else list(entry) for entry in dilations]
        if not rates or any(len(block) != n_layers or min(block, default=0) < 1 for block in rates):
            raise ConfigError(
                f"FullNet needs a positive dilation a block, or {n_layers} of them, one a layer, got {dilations}"
            )
        width = growth
        layers: list[nn.Module] = [_conv(in_channels, width, kernel=3)]
        for block in rates:
            for rate in block:
                layers.append(_DenseLayer(width, growth, dilation=rate, dropout=dropout))
                width += growth
            layers.append(_conv(width, width // 2))
            width //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(width, out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        logits: torch.Tensor = self.classifier(self.features(x))
        return logits


class _DenseLayer(nn.Module):
    """A dilated 3x3 convolution whose result is concatenated with its input."""

    def __init__(self, n_in: int, growth: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv = _conv(n_in, growth, kernel=3, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.dropout(self.conv(x))], dim=1)


def _conv(n_in: int, n_out: int, *, kernel: int = 1, dilation: int = 1) -> nn.Sequential:
    """A convolution, leaky ReLU and batch normalisation, in that order."""
    conv = nn.Conv2d(n_in, n_out, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.LeakyReLU(inplace=True), nn.BatchNorm2d(n_out))


DESIGNS = (Design("fullnet", FullNet, "Qu et al. 2019", "dense blocks at full resolution, context by dilation alone"),)
