"""Slices with their neighbours in the stack as extra channels, which help to tell base from apex."""

from __future__ import annotations

import torch

__all__ = ["neighbour_indices"]


def neighbour_indices(n_slices: int, context: int) -> torch.Tensor:
    """Indices of the slices that a network sees for each slice. The ends of the stack are repeated.

    Args:
        n_slices: slices of the stack, Z.
        context: neighbours on each side, 0 for the slice alone.

    Returns:
        (Z, 1 + 2 * context) indices into the stack. The slice itself stands in the middle.

    >>> neighbour_indices(3, 1).tolist()
    [[0, 0, 1], [0, 1, 2], [1, 2, 2]]
    """
    offsets = torch.arange(-context, context + 1)
    return (torch.arange(n_slices)[:, None] + offsets).clamp(0, n_slices - 1)
