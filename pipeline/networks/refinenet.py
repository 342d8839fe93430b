"""RefineNet (Lin, Milan, Shen, Reid: Multi-Path Refinement Networks, arXiv 1611.06612, 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from pipeline.networks.designs import Design
from pipeline.networks.layers.blocks import resize
from pipeline.networks.layers.resnet import ResNet

__all__ = ["DESIGNS", "ChainedResidualPooling", "RefineBlock", "RefineNet", "ResidualConvUnit"]


def _conv3x3(n_in: int, n_out: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, padding=1)


class ResidualConvUnit(nn.Module):
    """ReLU, 3x3, ReLU, 3x3 beside the identity, without normalisation.

    Args:
        channels: of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(nn.ReLU(), _conv3x3(channels, channels), nn.ReLU(), _conv3x3(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, X, Y) -> the same shape."""
        return x + self.convs(x)


class ChainedResidualPooling(nn.Module):
    """ReLU, then a chain of 5x5 maximum pooling and 3x3 convolution. Each link's output is added to the input.

    Poolings have stride 1, so each link sees the one before over a wider window, at the same size.

    Args:
        channels: of input and output.
        n_pools: links of the chain.
    """

    def __init__(self, channels: int, *, n_pools: int = 2) -> None:
        super().__init__()
        self.links = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(5, stride=1, padding=2), _conv3x3(channels, channels)) for _ in range(n_pools)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, X, Y) -> the same shape."""
        total = link_output = functional.relu(x)
        for link in self.links:
            link_output = link(link_output)
            total = total + link_output
        return total


class RefineBlock(nn.Module):
    """Residual units on each path, fusion of the paths, chained residual pooling, residual units.

    Fusion: a 3x3 convolution a path, to the fewest channels among them, resizing to the first path's size, sum. A
    single path passes it unchanged.

    Args:
        n_paths: channels of each path.
        n_units: residual units at the end.

    Attributes:
        out_channels: channels of the output.
    """

    def __init__(self, n_paths: Sequence[int], *, n_units: int = 1) -> None:
        super().__init__()
        channels = min(n_paths)
        self.out_channels = channels
        self.units = nn.ModuleList(nn.Sequential(ResidualConvUnit(n), ResidualConvUnit(n)) for n in n_paths)
        self.fusion = nn.ModuleList(_conv3x3(n, channels) for n in n_paths) if len(n_paths) > 1 else None
        self.pooling = ChainedResidualPooling(channels)
        self.output = nn.Sequential(*(ResidualConvUnit(channels) for _ in range(n_units)))

    def forward(self, paths: list[torch.Tensor]) -> torch.Tensor:
        """Paths (N, n_paths[i], ., .), the finest first -> (N, out_channels, X, Y), at the first path's size."""
        paths = [unit(path) for unit, path in zip(self.units, paths, strict=True)]
        fused = paths[0]
        if self.fusion is not None:
            adapted = [conv(path) for conv, path in zip(self.fusion, paths, strict=True)]
            fused = torch.stack([resize(path, paths[0]) for path in adapted]).sum(dim=0)
        return self.output(self.pooling(fused))


class RefineNet(nn.Module):
    """RefineNet: four blocks refine a ResNet's features from stride 32 up to stride 4, each with the one before it.

    The deepest block has twice the channels of the others. The last ends in three residual units.

    Args:
        in_channels: channels of the input.
        out_channels: classes.
        backbone: resnet18, resnet34, resnet50 or resnet101.
        channels: of the three finer blocks.
        dropout: before the classifier.

    Raises:
        ConfigError: an unknown backbone.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        backbone: str = "resnet101",
        channels: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbone = ResNet(backbone, in_channels=in_channels)
        n_adapted = (2 * channels, channels, channels, channels)
        n_stages = self.backbone.widths[:0:-1]
        self.adapt = nn.ModuleList(_conv3x3(n, n_out) for n, n_out in zip(n_stages, n_adapted, strict=True))
        self.deepest = RefineBlock([2 * channels])
        self.finer = nn.ModuleList(
            [
                RefineBlock([channels, 2 * channels]),
                RefineBlock([channels, channels]),
                RefineBlock([channels, channels], n_units=3),
            ]
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = _conv3x3(channels, out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, X, Y), any size -> logits (N, out_channels, X, Y)."""
        stages = self.backbone.stages(x)[:0:-1]
        deepest, *others = [adapt(features) for adapt, features in zip(self.adapt, stages, strict=True)]
        refined = self.deepest([deepest])
        for block, features in zip(self.finer, others, strict=True):
            refined = block([features, refined])
        return resize(self.classifier(self.dropout(refined)), x)


DESIGNS = (
    Design(
        "refinenet",
        RefineNet,
        "Lin et al. 2017",
        "ResNet-101, four levels refined by residual units, fusion and chained pooling",
    ),
)
