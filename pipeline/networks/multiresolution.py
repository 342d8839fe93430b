"""One network over a resized pyramid of the image, its predictions combined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.blocks import resize
from pipeline.networks.unet import SLIM_UNET, ResidualUNet

__all__ = ["DESIGNS", "MultiResolution", "log_mean_probability"]


def log_mean_probability(logits: Sequence[torch.Tensor]) -> torch.Tensor:
    """Logarithm of the mean of several softmax maps. It acts as logits do, and its softmax is that mean.

    Args:
        logits: maps (N, classes, X, Y) of one shape, at least one.

    Returns:
        (N, classes, X, Y), at most 0, float32 or better, finite also when the probabilities underflow.

    >>> even, sure = torch.zeros(1, 2, 1, 1), torch.tensor([0.0, 800.0]).view(1, 2, 1, 1)
    >>> log_mean_probability([even, sure]).exp().flatten().tolist()
    [0.25, 0.75]
    """
    dtype = torch.promote_types(logits[0].dtype, torch.float32)
    stacked = torch.stack([one.log_softmax(dim=1, dtype=dtype) for one in logits])
    return stacked.logsumexp(dim=0) - math.log(len(logits))


class MultiResolution(nn.Module):
    """The same weights at several sizes of the image, and the mean of their probabilities.

    Args:
        in_channels: channels of the input.
        out_channels: classes, at least 2.
        network: makes the network from (in_channels, out_channels).
        scales: sizes relative to the input's.

    Raises:
        ConfigError: fewer than 2 classes, no scale, or one that is not positive.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        network: Callable[[int, int], nn.Module] = ResidualUNet,
        scales: Sequence[float] = (1.0, 0.75, 0.5),
    ) -> None:
        super().__init__()
        if out_channels < 2:
            raise ConfigError(f"mean probabilities need at least 2 classes, got {out_channels}")
        if not scales or min(scales) <= 0:
            raise ConfigError(f"a pyramid needs at least one scale, all positive, got {tuple(scales)}")
        self.network = network(in_channels, out_channels)
        self.scales = tuple(scales)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, in_channels, X, Y) -> logarithms of mean probabilities (N, out_channels, X, Y).

        In training a tuple: those, then the logits of each scale (and of the network's own auxiliary heads, which do
        not enter the mean) at full size.
        """
        mains, auxiliaries = [], []
        for scale in self.scales:
            outputs = self.network(_scale(x, scale))
            main, *others = [outputs] if isinstance(outputs, torch.Tensor) else outputs
            mains.append(resize(main, x))
            auxiliaries += [resize(other, x) for other in others]
        combined = log_mean_probability(mains)
        return (combined, *mains, *auxiliaries) if self.training else combined


def _scale(x: torch.Tensor, scale: float) -> torch.Tensor:
    """(N, C, X, Y) resized bilinearly, smoothed first where it shrinks; at least a pixel an axis."""
    size = [max(1, round(scale * pixels)) for pixels in x.shape[2:]]
    if size == list(x.shape[2:]):
        return x
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)


DESIGNS = (
    Design(
        "multiresolution",
        MultiResolution,
        "Chen et al. 2016",
        "one U-Net at scales 1, 0.75, 0.5, probabilities averaged",
        {"network": SLIM_UNET},
        by_name=("network",),
    ),
)
