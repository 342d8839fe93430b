"""Rotations of slices, for test-time augmentation."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

__all__ = ["rotate"]


def rotate(slices: torch.Tensor, *, degrees: float) -> torch.Tensor:
    """Rotate slices about their centre, bilinearly, repeating the border.

    Args:
        slices: (N, C, X, Y) float.
        degrees: from X towards Y. 0 returns the same tensor.
    """
    if degrees == 0:
        return slices
    size_x, size_y = slices.shape[2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # grid_sample names the last axis first, and lengths are relative to each axis's own
    theta = torch.tensor([[cos, -sin * size_x / size_y, 0.0], [sin * size_y / size_x, cos, 0.0]], device=slices.device)
    grid = functional.affine_grid(theta.expand(len(slices), 2, 3), list(slices.shape), align_corners=False)
    return functional.grid_sample(slices, grid.to(slices.dtype), padding_mode="border", align_corners=False)
