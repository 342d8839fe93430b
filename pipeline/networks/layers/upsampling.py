"""Ways to enlarge a feature map, and the matrix form of a convolution or transposed convolution.

Unpooling has no weights: a *bed of nails* puts each value into a corner of zeros, *nearest* repeats it, *bilinear*
interpolates, *max-index* puts it back where maximum pooling found it (Zeiler and Fergus 2014). Learned are transposed
convolutions (bilinear at the start: Long, Shelhamer, Darrell 2015), sub-pixel convolutions (Shi et al. 2016, started
free of checkerboards: Aitken et al. 2017) and resize convolutions (Odena, Dumoulin, Olah 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from monai.networks.blocks import SubpixelUpsample
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError

__all__ = [
    "UPSAMPLINGS",
    "BedOfNails",
    "bilinear_kernel",
    "bilinear_transposed",
    "convolution_matrix",
    "max_pool",
    "max_unpool",
    "upsampling",
]

UPSAMPLINGS = (
    "bed_of_nails",
    "nearest",
    "bilinear",
    "transposed",
    "subpixel",
    "nearest_resize",
    "bilinear_resize",
)
"""Kinds of `upsampling`. The first three have no weights."""


def upsampling(kind: str, n_in: int, n_out: int, *, factor: int = 2) -> nn.Module:
    """A layer (N, n_in, X, Y) -> (N, n_out, factor X, factor Y), for any size.

    Args:
        kind: one of `UPSAMPLINGS`. "subpixel" is a 3x3 convolution whose channels become pixels, and starts as
            nearest-neighbour interpolation of one. "nearest_resize" and "bilinear_resize" interpolate, then apply a 3x3
            convolution. Bilinear interpolation takes pixels as areas.
        n_in: channels of the input.
        n_out: channels of the output (without weights the same as `n_in`).
        factor: output size over input size.

    Raises:
        ConfigError: an unknown kind, a factor below 1, or a change of channels without weights.

    >>> layer = upsampling("nearest", 1, 1)
    >>> layer(torch.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """
    if kind not in UPSAMPLINGS or factor < 1:
        raise ConfigError(f"upsampling must be one of {UPSAMPLINGS} by at least 1, got {kind!r} by {factor}")
    if kind in UPSAMPLINGS[:3] and n_in != n_out:
        raise ConfigError(f"upsampling by {kind!r} keeps the number of channels, got {n_in} and {n_out}")
    if kind == "bed_of_nails":
        return BedOfNails(factor)
    if kind == "transposed":
        return bilinear_transposed(n_in, n_out, factor=factor)
    if kind == "subpixel":
        layer = SubpixelUpsample(2, n_in, n_out, scale_factor=factor, apply_pad_pool=False)
        nn.init.zeros_(layer.conv_block.bias)  # biases that differ would be a checkerboard
        return layer
    resized = nn.Upsample(scale_factor=factor, mode=kind.removesuffix("_resize"))
    return nn.Sequential(resized, nn.Conv2d(n_in, n_out, 3, padding=1)) if kind.endswith("_resize") else resized


class BedOfNails(nn.Module):
    """Each value in the first corner of a square of zeros.

    Args:
        factor: edge of the squares.
    """

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, X, Y) -> (N, C, factor X, factor Y).

        >>> BedOfNails(2)(torch.tensor([[[[1.0, 2.0]]]])).tolist()
        [[[[1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]
        """
        n, c, n_x, n_y = x.shape
        zeros = self.factor - 1
        spread = functional.pad(x[:, :, :, None, :, None], (0, zeros, 0, 0, 0, zeros))
        return spread.reshape(n, c, n_x * self.factor, n_y * self.factor)


def max_pool(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maximum pooling over 2x2, and where each maximum lay.

    Args:
        x: (N, C, X, Y).

    Returns:
        Maxima (N, C, ceil(X / 2), ceil(Y / 2)), so that no edge pixel is lost, and their indices in a flattened (X, Y).
    """
    pooled, indices = functional.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    return pooled, indices


def max_unpool(x: torch.Tensor, indices: torch.Tensor, *, size: Sequence[int]) -> torch.Tensor:
    """Put values where `max_pool` found its maxima, zeros elsewhere.

    Args:
        x: (N, C, X, Y).
        indices: that `max_pool` gave, of the same shape.
        size: (x, y) of the pooled input, which may be odd.

    Returns:
        (N, C, x, y).

    >>> image = torch.tensor([[[[1.0, 2.0, 5.0], [4.0, 3.0, 6.0]]]])
    >>> pooled, indices = max_pool(image)
    >>> max_unpool(-pooled, indices, size=(2, 3)).tolist()
    [[[[0.0, 0.0, 0.0], [-4.0, 0.0, -6.0]]]]
    """
    return functional.max_unpool2d(x, indices, [2, 2], output_size=list(size))


def bilinear_kernel(factor: int) -> torch.Tensor:
    """Weights (k, k), k = 2 factor - factor % 2, by which a transposed convolution interpolates bilinearly.

    >>> bilinear_kernel(2)[1].tolist(), bilinear_kernel(3).shape
    ([0.1875, 0.5625, 0.5625, 0.1875], torch.Size([5, 5]))
    """
    size = 2 * factor - factor % 2
    ramp = 1 - (torch.arange(size) - (size - 1) / 2).abs() / factor
    return ramp[:, None] * ramp[None]


def bilinear_transposed(n_in: int, n_out: int, *, factor: int = 2) -> nn.ConvTranspose2d:
    """A transposed convolution initialised as bilinear interpolation.

    Channels pass unmixed if `n_in` is `n_out`, and through random weights otherwise. Beyond the edge it sees zeros,
    where interpolation would see the edge again.

    Args:
        n_in: channels of the input.
        n_out: channels of the output.
        factor: output size over input size.
    """
    kernel = bilinear_kernel(factor)
    layer = nn.ConvTranspose2d(n_in, n_out, len(kernel), stride=factor, padding=factor // 2)
    mixture = torch.eye(n_in) if n_in == n_out else torch.randn(n_in, n_out) / n_in**0.5
    with torch.no_grad():
        layer.weight.copy_(mixture[:, :, None, None] * kernel)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def convolution_matrix(
    weight: torch.Tensor, size: Sequence[int], *, stride: int = 1, padding: int = 0, transposed: bool = False
) -> torch.Tensor:
    """The matrix M with M flatten(x) = flatten(convolution of x), for small sizes.

    The transposed convolution with the same weights, applied to the convolution's output, has the transposed matrix,
    if the stride leaves no pixel over (Dumoulin and Visin, arXiv 1603.07285, 2016).

    Args:
        weight: (outputs, inputs, k) in 1D or (outputs, inputs, k, k) in 2D, as torch's convolutions take them. For a
            transposed convolution inputs come first.
        size: pixels along each axis of the input.
        stride: of the convolution.
        padding: of the convolution.
        transposed: take the transposed convolution.

    Returns:
        (outputs x pixels out, inputs x pixels in). Channels go slowest, the last axis fastest.

    Raises:
        ValueError: weights that are neither 1D nor 2D, or a size of another dimension.

    >>> convolution_matrix(torch.tensor([[[1.0, 2.0, 3.0]]]), [4]).tolist()
    [[1.0, 2.0, 3.0, 0.0], [0.0, 1.0, 2.0, 3.0]]
    """
    if weight.ndim not in (3, 4) or len(size) != weight.ndim - 2:
        raise ValueError(
            f"a convolution's matrix needs 1D or 2D weights and one size an axis, got weights of shape "
            f"{tuple(weight.shape)} and sizes {tuple(size)}"
        )
    plain, reverse = (
        (functional.conv1d, functional.conv_transpose1d)
        if weight.ndim == 3
        else (functional.conv2d, functional.conv_transpose2d)
    )
    channels = weight.shape[0 if transposed else 1]
    basis = torch.eye(channels * prod(size), dtype=weight.dtype, device=weight.device).unflatten(1, (channels, *size))
    convolve = reverse if transposed else plain
    columns: torch.Tensor = convolve(basis, weight, stride=stride, padding=padding)
    return columns.flatten(1).T
