"""ENet (Paszke, Chaurasia, Kim, Culurciello: arXiv 1606.02147, 2016): a light network for speed."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple

__all__ = ["DESIGNS", "ENet"]

_CONTEXT: tuple[int | str, ...] = (1, 2, "asymmetric", 4, 1, 8, "asymmetric", 16)
"""Bottlenecks of the second and third stage: a dilation, or 5x1 and 1x5 one after the other."""


class ENet(nn.Module):
    """ENet: early downsampling, bottlenecks dilated or asymmetric, a small decoder that unpools with indices.

    PReLU in the encoder, ReLU in the decoder. Channel dropout ends each bottleneck's branch.

    Args:
        in_channels: channels of the input, 1 to 15: the initial block's 16 maps are they, pooled, and a convolution's.
        out_channels: classes.
        dropout: in the first stage, and afterwards.

    Raises:
        ConfigError: too many channels for the initial block.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dropout: tuple[float, float] = (0.01, 0.1)) -> None:
        super().__init__()
        if not 1 <= in_channels <= 15:
            raise ConfigError(f"ENet's initial block of 16 maps takes 1 to 15 input channels, got {in_channels}")
        low, high = dropout
        self.initial = _Initial(in_channels, 16)
        self.down1 = _Down(16, 64, dropout=low)
        self.stage1 = nn.Sequential(*[_Bottleneck(64, dropout=low) for _ in range(4)])
        self.down2 = _Down(64, 128, dropout=high)
        self.stage2 = nn.Sequential(*[_Bottleneck(128, kind=kind, dropout=high) for kind in _CONTEXT])
        self.stage3 = nn.Sequential(*[_Bottleneck(128, kind=kind, dropout=high) for kind in _CONTEXT])
        self.up4 = _Up(128, 64, dropout=high)
        self.stage4 = nn.Sequential(*[_Bottleneck(64, dropout=high, decoder=True) for _ in range(2)])
        self.up5 = _Up(64, 16, dropout=high)
        self.stage5 = _Bottleneck(16, dropout=high, decoder=True)
        self.classifier = nn.ConvTranspose2d(16, out_channels, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        y, indices1 = self.down1(self.initial(pad_to_multiple(x, (8, 8))))
        y, indices2 = self.down2(self.stage1(y))
        y = self.up4(self.stage3(self.stage2(y)), indices2)
        y = self.up5(self.stage4(y), indices1)
        return centre_crop(self.classifier(self.stage5(y)), x)


class _Initial(nn.Module):
    """Half the size: a 3x3 convolution of stride 2 beside the pooled input."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out - n_in, 3, stride=2, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.Sequential(nn.BatchNorm2d(n_out), nn.PReLU(n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(torch.cat([self.conv(x), self.pool(x)], dim=1))


class _Bottleneck(nn.Module):
    """1x1 to a quarter of the channels, the main convolution, 1x1 back, dropout, added to the input."""

    def __init__(self, channels: int, *, kind: int | str = 1, dropout: float, decoder: bool = False) -> None:
        super().__init__()
        within = channels // 4
        main = (
            [
                nn.Conv2d(within, within, (5, 1), padding=(2, 0), bias=False),
                *_with_norm(nn.Conv2d(within, within, (1, 5), padding=(0, 2), bias=False), decoder),
            ]
            if isinstance(kind, str)
            else _with_norm(nn.Conv2d(within, within, 3, padding=kind, dilation=kind, bias=False), decoder)
        )
        self.branch = nn.Sequential(
            *_with_norm(nn.Conv2d(channels, within, 1, bias=False), decoder),
            *main,
            *_expansion(within, channels, dropout),
        )
        self.act = _activation(channels, decoder)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x + self.branch(x))


class _Down(nn.Module):
    """Half the size: a branch that starts with a 2x2 of stride 2, and the input pooled, its missing channels zero."""

    def __init__(self, n_in: int, n_out: int, *, dropout: float) -> None:
        super().__init__()
        within = n_out // 4
        self.missing = n_out - n_in
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.branch = nn.Sequential(
            *_with_norm(nn.Conv2d(n_in, within, 2, stride=2, bias=False), False),
            *_with_norm(nn.Conv2d(within, within, 3, padding=1, bias=False), False),
            *_expansion(within, n_out, dropout),
        )
        self.act = _activation(n_out, False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, indices = self.pool(x)
        pooled = functional.pad(pooled, (0, 0, 0, 0, 0, self.missing))
        return self.act(pooled + self.branch(x)), indices


class _Up(nn.Module):
    """Twice the size: a branch with a transposed 3x3 of stride 2, and the input by 1x1 and unpooling with indices.

    The branch has a quarter of the input's channels. The authors' code takes a quarter of the output's, which gives
    0.36 million parameters in all. The paper's 0.37 and its GFLOPs are nearer to this.
    """

    def __init__(self, n_in: int, n_out: int, *, dropout: float) -> None:
        super().__init__()
        within = n_in // 4
        self.main = nn.Sequential(nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out))
        self.unpool = nn.MaxUnpool2d(2)
        self.branch = nn.Sequential(
            *_with_norm(nn.Conv2d(n_in, within, 1, bias=False), True),
            *_with_norm(nn.ConvTranspose2d(within, within, 3, stride=2, padding=1, output_padding=1, bias=False), True),
            *_expansion(within, n_out, dropout),
        )
        self.act = _activation(n_out, True)

    def forward(self, x: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        return self.act(self.unpool(self.main(x), indices) + self.branch(x))


def _activation(channels: int, decoder: bool) -> nn.Module:
    return nn.ReLU(inplace=True) if decoder else nn.PReLU(channels)


def _with_norm(conv: nn.Conv2d | nn.ConvTranspose2d, decoder: bool) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), _activation(conv.out_channels, decoder)]


def _expansion(n_in: int, n_out: int, dropout: float) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out), nn.Dropout2d(dropout)]


DESIGNS = (
    Design(
        "enet",
        ENet,
        "Paszke et al. 2016",
        "0.37 million parameters: bottlenecks dilated or asymmetric, unpooling with indices",
    ),
)
