"""Sizes divisible by a network's poolings: replicate the edge before, crop after."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["centre_crop", "pad_to_multiple"]


def pad_to_multiple(x: torch.Tensor, multiples: Sequence[int]) -> torch.Tensor:
    """Replicate edge pixels until each spatial axis is a multiple. An odd pixel is added on the far side.

    Args:
        x: (N, C, X, Y) or (N, C, X, Y, Z).
        multiples: one a spatial axis, in the tensor's order.

    Returns:
        The padded tensor, or `x` itself if nothing is missing. `centre_crop` undoes it.

    >>> pad_to_multiple(torch.tensor([[[[1.0, 2.0, 3.0]]]]), (1, 5)).tolist()
    [[[[1.0, 1.0, 2.0, 3.0, 3.0]]]]
    """
    missing = [-size % multiple for size, multiple in zip(x.shape[2:], multiples, strict=True)]
    if not any(missing):
        return x
    pads = [side for total in reversed(missing) for side in (total // 2, total - total // 2)]
    return functional.pad(x, pads, mode="replicate")


def centre_crop(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The centre of (N, C, X, Y[, Z]) with the spatial size of `like`, which must not be larger.

    >>> centre_crop(torch.arange(5.0).view(1, 1, 1, 5), torch.zeros(1, 1, 1, 3)).tolist()
    [[[[1.0, 2.0, 3.0]]]]
    """
    for axis in range(2, x.ndim):
        size = like.shape[axis]
        if x.shape[axis] != size:
            x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
    return x
