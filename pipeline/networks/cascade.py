"""Cascade: a second network that sees the image and the first one's map."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from pipeline.networks.designs import Design
from pipeline.networks.unet import SLIM_UNET, ResidualUNet

__all__ = ["DESIGNS", "Cascade"]


class Cascade(nn.Module):
    """Two networks in series. The second takes the image's channels and the softmax map of the first.

    Both train together: the second's loss reaches the first through its map (auto-context: Tu and Bai 2010).

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        network: makes the first network from (in_channels, out_channels).
        second: makes the second from (in_channels + out_channels, out_channels) (as `network` if not given).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        network: Callable[[int, int], nn.Module] = ResidualUNet,
        second: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.first = network(in_channels, out_channels)
        self.second = (second or network)(in_channels + out_channels, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """(N, in_channels, X, Y) -> logits of the second network, (N, out_channels, X, Y).

        In training a tuple: second, first. Auxiliary outputs of either follow it.
        """
        first = _outputs(self.first(x))
        second = _outputs(self.second(torch.cat([x, first[0].softmax(dim=1)], dim=1)))
        return (*second, *first) if self.training else second[0]


def _outputs(found: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (found,) if isinstance(found, torch.Tensor) else found


DESIGNS = (
    Design(
        "cascade",
        Cascade,
        "Tu and Bai 2010",
        "a second U-Net sees the image and the first one's map",
        {"network": SLIM_UNET},
        by_name=("network", "second"),
    ),
)
