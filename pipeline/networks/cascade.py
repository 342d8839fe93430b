"""Cascade: a second network that sees the image and the first one's map."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from pipeline.networks.registry import build_network

__all__ = ["Cascade"]


class Cascade(nn.Module):
    """Two networks in a row; the second takes the image's channels and the softmax map of the first.

    Both train together: the second's loss reaches the first through its map (auto-context: Tu and Bai 2010).

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        network: makes the first network from (in_channels, out_channels); a name of the registry, or a callable.
        second: makes the second from (in_channels + out_channels, out_channels); as `network` where not given.

    Raises:
        ConfigError: a name that the registry does not have.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        network: str | Callable[[int, int], nn.Module] = "residual_unet",
        second: str | Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        make_first, make_second = (
            partial(build_network, which) if isinstance(which, str) else which for which in (network, second or network)
        )
        self.first = make_first(in_channels, out_channels)
        self.second = make_second(in_channels + out_channels, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, in_channels, X, Y) -> logits of the second network, (N, out_channels, X, Y).

        In training a tuple: second, first; auxiliary outputs of either follow it.
        """
        first = _outputs(self.first(x))
        second = _outputs(self.second(torch.cat([x, first[0].softmax(dim=1)], dim=1)))
        return (*second, *first) if self.training else second[0]


def _outputs(found: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (found,) if isinstance(found, torch.Tensor) else found
