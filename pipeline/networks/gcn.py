"""Global convolutional network (Peng, Zhang, Yu, Luo, Sun: Large Kernel Matters, arXiv 1703.02719, 2017)."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.designs import Design
from pipeline.networks.layers.resnet import ResNet

__all__ = ["DESIGNS", "GCN", "BoundaryRefinement", "LargeKernel"]


class LargeKernel(nn.Module):
    """A k x k convolution in two separable forms, summed: k x 1 then 1 x k, and 1 x k then k x 1, without ReLU.

    Weights grow with k, not with its square, while each output still sees the whole k x k window.

    Args:
        n_in: channels of the input.
        n_out: channels of the output, and between the convolutions.
        kernel: k, odd.

    Raises:
        ConfigError: an even kernel, or one below 1.
    """

    def __init__(self, n_in: int, n_out: int, *, kernel: int = 7) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"a large kernel must be odd and positive, got {kernel}")
        self.column_first = self._separable(n_in, n_out, (kernel, 1))
        self.row_first = self._separable(n_in, n_out, (1, kernel))

    @staticmethod
    def _separable(n_in: int, n_out: int, first: tuple[int, int]) -> nn.Sequential:
        second = first[::-1]
        return nn.Sequential(
            nn.Conv2d(n_in, n_out, first, padding=(first[0] // 2, first[1] // 2)),
            nn.Conv2d(n_out, n_out, second, padding=(second[0] // 2, second[1] // 2)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, n_in, X, Y) -> (N, n_out, X, Y)."""
        return self.column_first(x) + self.row_first(x)


class BoundaryRefinement(nn.Module):
    """3x3, ReLU, 3x3 beside the identity, on score maps.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, X, Y) -> the same shape."""
        return x + self.convs(x)


class GCN(nn.Module):
    """Global convolutional network: large kernels turn a ResNet's four stages into score maps, joined up to full size.

    From stride 32 up, score maps are doubled by a deconvolution, added to those of the next finer stage if there is
    one, and refined at the boundaries, five times in all.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet18, resnet34, resnet50 or resnet101.
        kernel: edge of the large kernels, odd (15 in the paper, for images of 512 pixels).

    Raises:
        ConfigError: an unknown backbone or an even kernel.
    """

    def __init__(self, in_channels: int, out_channels: int, *, backbone: str = "resnet50", kernel: int = 7) -> None:
        super().__init__()
        self.backbone = ResNet(backbone, in_channels=in_channels)
        self.scores = nn.ModuleList(
            nn.Sequential(LargeKernel(n_in, out_channels, kernel=kernel), BoundaryRefinement(out_channels))
            for n_in in self.backbone.widths[1:]
        )
        self.deconvolutions = nn.ModuleList(
            nn.ConvTranspose2d(out_channels, out_channels, 4, stride=2, padding=1) for _ in range(5)
        )
        self.refinements = nn.ModuleList(BoundaryRefinement(out_channels) for _ in range(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        stages = self.backbone.stages(x)
        scores = [score(features) for score, features in zip(self.scores, stages[1:], strict=True)]
        sizes = [features.shape[2:] for features in (x, *stages[:-1])]
        logits = scores.pop()
        for deconvolution, refinement in zip(self.deconvolutions, self.refinements, strict=True):
            n_x, n_y = sizes.pop()
            logits = deconvolution(logits)[:, :, :n_x, :n_y]
            if scores:
                logits = logits + scores.pop()
            logits = refinement(logits)
        return logits


DESIGNS = (
    Design("gcn", GCN, "Peng et al. 2017", "ResNet-50, large separable kernels, boundary refinement, deconvolutions"),
)
