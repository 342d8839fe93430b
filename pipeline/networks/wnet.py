"""W-Net: two U-Nets end to end that learn segments without labels (Xia and Kulis, arXiv 1711.08506, 2017)."""

from __future__ import annotations

import math

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.unet import OriginalUNet

__all__ = ["DESIGNS", "SoftNormalisedCut", "WNet"]


class WNet(nn.Module):
    """W-Net: one U-Net gives soft segments, a second one reconstructs the image from them.

    The first learns from `SoftNormalisedCut` of its segments, both from the error of the reconstruction. Convolutions
    are depthwise separable on all levels but the first, and normalised.

    Args:
        in_channels: channels of the image.
        out_channels: soft segments, K. They have no names and no order.
        base_channels: of each U-Net.
        depth: levels of each.
        dropout: at the bottom of each.

    Raises:
        ConfigError: fewer than 2 segments, or a U-Net's refusal.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 64,
        depth: int = 5,
        dropout: float = 0.65,
    ) -> None:
        super().__init__()
        if out_channels < 2:
            raise ConfigError(f"W-Net needs at least 2 segments, got {out_channels}")
        self.encoder, self.decoder = (
            OriginalUNet(
                n_in, n_out, base_channels=base_channels, depth=depth, batch_norm=True, dropout=dropout, separable=True
            )
            for n_in, n_out in ((in_channels, out_channels), (out_channels, in_channels))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(N, in_channels, X, Y), any size -> logits of the segments (N, out_channels, X, Y).

        In training a tuple: those, and the reconstructed image (N, in_channels, X, Y).
        """
        logits: torch.Tensor = self.encoder(x)
        return (logits, self.decoder(logits.softmax(dim=1))) if self.training else logits


class SoftNormalisedCut(nn.Module):
    """The soft normalised cut of W-Net: K - sum over segments of assoc(A_k, A_k) / assoc(A_k, V), from 0 to K.

    Pixels i and j closer than `radius` are tied by w_ij = exp(-|F_i - F_j|^2 / sigma_intensity^2 -
    |X_i - X_j|^2 / sigma_position^2), others by none, with assoc(A_k, A_k) = sum p_ik w_ij p_jk and assoc(A_k, V) =
    sum p_ik w_ij over all i and j (equation 2 of the paper). One shifted copy of the maps a neighbour, never an
    N x N matrix. A lower loss ties less across segments.

    Args:
        sigma_intensity: in units of the image. The paper's 10 is for grey values 0 to 255, about a twenty-fifth of
            the range. 0.2 is about that for images normalised to a standard deviation of 1.
        sigma_position: in pixels (the paper's is 4).
        radius: in pixels, exclusive (the paper's is 5).

    Raises:
        ConfigError: a value that is not positive.
    """

    def __init__(self, *, sigma_intensity: float = 0.2, sigma_position: float = 4.0, radius: float = 5.0) -> None:
        super().__init__()
        if min(sigma_intensity, sigma_position, radius) <= 0:
            raise ConfigError(
                "a soft normalised cut needs positive sigmas and a positive radius, "
                f"got {sigma_intensity}, {sigma_position} and {radius}"
            )
        self.sigma_intensity = sigma_intensity
        self.sigma_position = sigma_position
        self.offsets = _half_of_neighbours(radius)

    def forward(self, logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar: the mean over the batch.

        Args:
            logits: of the segments, (N, K, X, Y).
            image: the segmented image, (N, C, X, Y). It gets no gradient.
        """
        dtype = torch.promote_types(logits.dtype, torch.float32)
        maps = logits.softmax(dim=1, dtype=dtype)
        image = image.detach().to(dtype)
        within = maps.square().sum(dim=(2, 3))  # each pixel with itself, at weight 1
        degree = torch.ones_like(image[:, :1])
        for offset in self.offsets:
            if offset[0] >= image.shape[2] or abs(offset[1]) >= image.shape[3]:
                continue
            weight = self._weight(image, offset)
            one, other = _pair(maps, offset)
            within = within + 2 * (weight * one * other).sum(dim=(2, 3))
            for side in _pair(degree, offset):
                side += weight
        total = (maps * degree).sum(dim=(2, 3))
        least = torch.finfo(total.dtype).tiny
        return (1 - within / total.clamp(min=least)).sum(dim=1).mean()

    def _weight(self, image: torch.Tensor, offset: tuple[int, int]) -> torch.Tensor:
        """Ties (N, 1, X - |dx|, Y - |dy|) of pixels to their neighbours at an offset."""
        one, other = _pair(image, offset)
        intensity = (one - other).square().sum(dim=1, keepdim=True) / self.sigma_intensity**2
        position = (offset[0] ** 2 + offset[1] ** 2) / self.sigma_position**2
        return torch.exp(-intensity - position)


def _half_of_neighbours(radius: float) -> list[tuple[int, int]]:
    """Offsets (dx, dy) closer than the radius, one of each opposite pair."""
    reach = math.ceil(radius)
    plane = [(dx, dy) for dx in range(reach) for dy in range(-reach, reach + 1) if dx > 0 or dy > 0]
    return [(dx, dy) for dx, dy in plane if math.hypot(dx, dy) < radius]


def _pair(x: torch.Tensor, offset: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Views of (., ., X, Y): the pixels that have a neighbour at (dx >= 0, dy), and those neighbours."""
    dx, dy = offset
    n_x, n_y = x.shape[2] - dx, x.shape[3] - abs(dy)
    one = x[:, :, :n_x, max(0, -dy) : max(0, -dy) + n_y]
    other = x[:, :, dx:, max(0, dy) : max(0, dy) + n_y]
    return one, other


DESIGNS = (
    Design(
        "wnet",
        WNet,
        "Xia and Kulis 2017",
        "two U-Nets that learn segments without labels (unnamed segments, so Dice is meaningless)",
    ),
)
