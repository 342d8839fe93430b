"""VGGs that keep a stride of 8 and gather context by dilated convolutions.

Yu and Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, arXiv 1511.07122, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import NORMALISED, Design
from pipeline.networks.fcn import dense_as_convolutions
from pipeline.networks.layers.blocks import resize
from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple
from pipeline.networks.layers.vgg import VGG
from pipeline.networks.unet import he_initialise

__all__ = ["CONTEXT_DILATIONS", "DESIGNS", "MSCADC", "ContextModule", "DilatedNet"]

CONTEXT_DILATIONS = (1, 1, 2, 4, 8, 16, 1, 1)
"""Of the context module's layers: seven of 3x3, the last of 1x1."""

_WIDTHS = {"basic": (1,) * 9, "large": (1, 2, 2, 4, 8, 16, 32, 32, 1)}
"""Channels before and after each layer of the context module, over the classes."""

_NOISE = {"basic": 0.0, "large": 0.01}
"""Initial spread of the other weights, relative to those of the identity. It lets equal channels diverge."""

_STRIDE = 8


class ContextModule(nn.Module):
    """Dilated 3x3 convolutions whose field of view grows exponentially to 67 x 67 at constant map size and number.

    It starts as the identity, except for negative values, which the ReLU after every layer but the last removes
    (equations 4 and 5 of the paper).

    Args:
        channels: of input and output, in the paper one per class.
        form: "basic" keeps that number throughout, "large" widens it up to 32-fold.

    Raises:
        ConfigError: an unknown form.
    """

    def __init__(self, channels: int, *, form: str = "basic") -> None:
        super().__init__()
        if form not in _WIDTHS:
            raise ConfigError(f"a context module's form must be one of {sorted(_WIDTHS)}, got {form!r}")
        layers: list[nn.Module] = []
        widths = [channels * factor for factor in _WIDTHS[form]]
        for (n_in, n_out), dilation in zip(pairwise(widths), CONTEXT_DILATIONS[:-1], strict=False):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
        layers.append(nn.Conv2d(widths[-2], widths[-1], 1))
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                _pass_through(layer, channels, noise=_NOISE[form])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, X, Y) -> the same shape."""
        y: torch.Tensor = self.layers(x)
        return y


class DilatedNet(nn.Module):
    """The front-end, a VGG without its last two poolings, and the context module on its class scores.

    The fifth stage and fc6 are dilated by 2 and 4 instead, a factor of 2 for each pooling removed before them.
    Scores that are negative everywhere do not pass the context module, and do not learn through it. So the paper
    trains the front-end alone first: train with `context="none"` and load those weights (not strictly) before
    training with context. The large form needs this. To train both at once, the front-end's own scores are auxiliary
    logits, which the paper lacks.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `VGGS`.
        context: form of the context module, "basic" or "large", or "none" for the front-end alone.
        fc_channels: of fc6 and fc7.
        batch_norm: normalise within the VGG (the paper does not).
        dropout: after fc6 and fc7.

    Raises:
        ConfigError: an unknown backbone or form.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "vgg16",
        context: str = "basic",
        fc_channels: int = 4096,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.backbone = _front_end(backbone, in_channels, batch_norm)
        self.dense = dense_as_convolutions(self.backbone.widths[-1], fc_channels, dilation=4, dropout=dropout)
        self.score = nn.Conv2d(fc_channels, out_channels, 1)
        he_initialise(self)
        nn.init.normal_(self.score.weight, std=0.01)
        self.context = None if context == "none" else ContextModule(out_channels, form=context)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y), in training also the front-end's."""
        padded = pad_to_multiple(x, (_STRIDE, _STRIDE))
        scores = self.score(self.dense(self.backbone(padded)))
        if self.context is None:
            return _full_size(scores, padded, x)
        logits = _full_size(self.context(scores), padded, x)
        return (logits, _full_size(scores, padded, x)) if self.training else logits


class MSCADC(nn.Module):
    """Multi-scale context aggregation by dilated convolutions on features, not on class scores.

    A VGG as in `DilatedNet`, with 3x3 convolutions of rising dilation and a 1x1 classifier in place of its fully
    connected layers.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: one of `VGGS`.
        rates: dilations of the aggregating convolutions.
        parallel: each of them sees the front-end's features and all are concatenated. Otherwise each sees the output
            of the one before, as in the context module.
        channels: of each aggregating convolution.
        batch_norm: normalise within the VGG and after each aggregating convolution.

    Raises:
        ConfigError: an unknown backbone or no rate.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "vgg16",
        rates: Sequence[int] = (2, 4, 8, 16),
        parallel: bool = False,
        channels: int = 256,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        if not rates or min(rates) < 1:
            raise ConfigError(f"MSCADC needs at least one rate, each at least 1, got {tuple(rates)}")
        self.backbone = _front_end(backbone, in_channels, batch_norm)
        self.parallel = parallel
        n_front = self.backbone.widths[-1]
        n_ins = [n_front if parallel or index == 0 else channels for index in range(len(rates))]
        self.aggregation = nn.ModuleList(
            _build_dilated(n_in, channels, rate, batch_norm) for n_in, rate in zip(n_ins, rates, strict=True)
        )
        self.classifier = nn.Conv2d(channels * len(rates) if parallel else channels, out_channels, 1)
        he_initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        padded = pad_to_multiple(x, (_STRIDE, _STRIDE))
        features = self.backbone(padded)
        if self.parallel:
            features = torch.cat([layer(features) for layer in self.aggregation], dim=1)
        else:
            for layer in self.aggregation:
                features = layer(features)
        return _full_size(self.classifier(features), padded, x)


def _front_end(backbone: str, in_channels: int, batch_norm: bool) -> VGG:
    return VGG(
        backbone,
        in_channels=in_channels,
        batch_norm=batch_norm,
        pool_strides=(2, 2, 2, 0, 0),
        dilations=(1, 1, 1, 1, 2),
    )


def _build_dilated(n_in: int, n_out: int, rate: int, batch_norm: bool) -> nn.Sequential:
    conv = nn.Conv2d(n_in, n_out, 3, padding=rate, dilation=rate, bias=not batch_norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(n_out)] if batch_norm else []), nn.ReLU(inplace=True))


def _full_size(scores: torch.Tensor, padded: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Scores of the padded image, at the size of the image."""
    return centre_crop(resize(scores, padded), x)


def _pass_through(conv: nn.Conv2d, groups: int, *, noise: float) -> None:
    """Identity weights for each of `groups` maps, over however many channels it is spread.

    A map is spread over n / groups neighbouring channels, each of which carries it times groups / n.
    """
    n_out, n_in = conv.out_channels, conv.in_channels
    same = (torch.arange(n_out) * groups // n_out)[:, None] == (torch.arange(n_in) * groups // n_in)[None]
    share = groups / n_out
    middle = conv.kernel_size[0] // 2
    with torch.no_grad():
        conv.weight.normal_(std=noise * share)
        conv.weight[:, :, middle, middle] += same * share
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


DESIGNS = (
    Design(
        "dilated_front_end",
        DilatedNet,
        "Yu and Koltun 2016",
        "VGG-16 without its last two poolings, dilated by 2 and 4",
        {"context": "none", **NORMALISED},
    ),
    Design(
        "dilated_context",
        DilatedNet,
        "Yu and Koltun 2016",
        "the front-end and a context module of dilations 1 to 16",
        NORMALISED,
    ),
    Design(
        "mscadc",
        MSCADC,
        "Yu and Koltun 2016",
        "a normalised front-end and dilated convolutions 2, 4, 8, 16 on its features",
    ),
)
