"""Convolution arithmetic: sizes and receptive fields on paper, to check networks against (Dumoulin and Visin 2016)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["output_size", "receptive_field"]


def output_size(size: int, *, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Pixels that a convolution gives: floor((i + 2p - k - (k-1)(d-1)) / s) + 1.

    >>> output_size(224, kernel=7, stride=2, padding=3), output_size(57, kernel=3, padding=12, dilation=12)
    (112, 57)
    """
    return (size + 2 * padding - kernel - (kernel - 1) * (dilation - 1)) // stride + 1


def receptive_field(layers: Sequence[tuple[int, int, int]]) -> int:
    """Pixels of the input that one output pixel depends on: 1 + sum of (k' - 1) x product of strides before.

    Args:
        layers: (kernel, stride, dilation) from input to output. A dilated kernel counts as k' = d (k - 1) + 1.

    >>> receptive_field([(3, 1, 1)] * 3), receptive_field([(7, 2, 1), (3, 2, 1)])
    (7, 11)
    """
    field, step = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * step
        step *= stride
    return field
