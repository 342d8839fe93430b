"""Slices with their neighbours in the stack as further channels: what lies above and below tells base from apex."""

from __future__ import annotations

import torch

__all__ = ["neighbour_indices"]


def neighbour_indices(n_slices: int, context: int) -> torch.Tensor:
    """Which slices a network sees for each slice; at the ends of the stack the last one stands in for its neighbour.

    Args:
        n_slices: slices of the stack, Z.
        context: neighbours on each side, 0 for the slice alone.

    Returns:
        (Z, 1 + 2 * context) indices into the stack; the slice itself stands in the middle.

    >>> neighbour_indices(3, 1).tolist()
    [[0, 0, 1], [0, 1, 2], [1, 2, 2]]
    """
    offsets = torch.arange(-context, context + 1)
    return (torch.arange(n_slices)[:, None] + offsets).clamp(0, n_slices - 1)
