"""Unpooling and learned upsampling by hand, and transposed convolutions as transposed matrices."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.layers.upsampling import (
    UPSAMPLINGS,
    BedOfNails,
    bilinear_kernel,
    bilinear_transposed,
    convolution_matrix,
    max_pool,
    max_unpool,
    upsampling,
)

_X = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


def test_bed_of_nails_by_hand() -> None:
    assert BedOfNails(3)(_X)[0, 0].tolist() == [
        [1, 0, 0, 2, 0, 0], [0] * 6, [0] * 6, [3, 0, 0, 4, 0, 0], [0] * 6, [0] * 6,
    ]  # fmt: skip


def test_nearest_by_hand() -> None:
    assert upsampling("nearest", 1, 1)(_X)[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_bilinear_by_hand() -> None:
    assert upsampling("bilinear", 1, 1)(_X)[0, 0].tolist() == [
        [1.0, 1.25, 1.75, 2.0], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3.0, 3.25, 3.75, 4.0],
    ]  # fmt: skip


def test_max_index_unpooling_by_hand() -> None:
    image = torch.tensor([[[[1.0, 9.0, 2.0, 3.0], [4.0, 5.0, 8.0, 0.0], [7.0, 1.0, 1.0, 1.0], [0.0, 2.0, 3.0, 6.0]]]])
    pooled, indices = max_pool(image)
    assert pooled[0, 0].tolist() == [[9, 8], [7, 6]]
    assert indices[0, 0].tolist() == [[1, 6], [8, 15]]
    assert max_unpool(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), indices, size=(4, 4))[0, 0].tolist() == [
        [0, 1, 0, 0], [0, 0, 2, 0], [3, 0, 0, 0], [0, 0, 0, 4],
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(1, 1), (5, 4), (7, 9)])
def test_max_unpooling_keeps_every_maximum_of_odd_sizes(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, *size) + 1
    pooled, indices = max_pool(x)
    assert pooled.shape[2:] == tuple((n + 1) // 2 for n in size)
    back = max_unpool(pooled, indices, size=size)
    assert back.shape == x.shape
    assert torch.equal(back[back > 0], x[back > 0])
    assert (back > 0).sum() == pooled.numel()


def test_bilinear_kernels_by_hand() -> None:
    for factor, ramp in ((1, [1]), (2, [1 / 4, 3 / 4, 3 / 4, 1 / 4]), (3, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3])):
        expected = torch.tensor(ramp)
        torch.testing.assert_close(bilinear_kernel(factor), expected[:, None] * expected, check_dtype=False)


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_transposed_convolution_starts_as_bilinear_interpolation(factor: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 6, 5)
    y = bilinear_transposed(3, 3, factor=factor)(x)
    expected = functional.interpolate(x, scale_factor=factor, mode="bilinear")
    assert y.shape == expected.shape
    inner = slice(factor, -factor)
    torch.testing.assert_close(y[:, :, inner, inner], expected[:, :, inner, inner])


def test_transposed_convolution_to_other_channels_mixes_before_it_interpolates() -> None:
    torch.manual_seed(0)
    layer = bilinear_transposed(3, 2, factor=2)
    x = torch.randn(1, 3, 4, 4)
    mixture = layer.weight[:, :, 1, 1] / bilinear_kernel(2)[1, 1]
    torch.testing.assert_close(layer(x), bilinear_transposed(2, 2)(torch.einsum("io,nixy->noxy", mixture, x)))


def test_matrix_of_a_convolution_by_hand() -> None:
    weight = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert convolution_matrix(weight, [4], padding=1).tolist() == [
        [2, 3, 0, 0], [1, 2, 3, 0], [0, 1, 2, 3], [0, 0, 1, 2],
    ]  # fmt: skip
    assert convolution_matrix(weight, [5], stride=2).tolist() == [[1, 2, 3, 0, 0], [0, 0, 1, 2, 3]]
    square = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert convolution_matrix(square, [2, 3]).tolist() == [[1, 2, 0, 3, 4, 0], [0, 1, 2, 0, 3, 4]]


def test_matrix_of_a_transposed_convolution_by_hand() -> None:
    weight = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert convolution_matrix(weight, [2], stride=2, transposed=True).tolist() == [
        [1, 0], [2, 0], [3, 1], [0, 2], [0, 3],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "size", "stride", "padding"),
    [((3, 2, 3), (7,), 2, 1), ((1, 1, 4), (8,), 2, 1), ((3, 2, 3, 3), (5, 7), 2, 1), ((2, 2, 2, 2), (4, 5), 1, 0)],
)
def test_transposed_convolution_has_the_transposed_matrix(
    shape: tuple[int, ...], size: tuple[int, ...], stride: int, padding: int
) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(shape, dtype=torch.double), torch.randn(1, shape[1], *size, dtype=torch.double)
    convolve = functional.conv1d if len(size) == 1 else functional.conv2d
    y = convolve(x, weight, stride=stride, padding=padding)
    matrix = convolution_matrix(weight, size, stride=stride, padding=padding)
    torch.testing.assert_close(matrix @ x.flatten(), y.flatten())
    reverse = convolution_matrix(weight, y.shape[2:], stride=stride, padding=padding, transposed=True)
    torch.testing.assert_close(reverse, matrix.T)
    transposed = functional.conv_transpose1d if len(size) == 1 else functional.conv_transpose2d
    back = transposed(y, weight, stride=stride, padding=padding)
    torch.testing.assert_close(back.flatten(), matrix.T @ y.flatten())


@pytest.mark.parametrize(("shape", "size"), [((1, 1), (3,)), ((1, 1, 3), (3, 3)), ((1, 1, 3, 3, 3), (3, 3, 3))])
def test_matrices_of_other_dimensions_are_refused(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1D or 2D weights"):
        convolution_matrix(torch.zeros(shape), size)


def test_subpixel_convolution_turns_channels_into_pixels() -> None:
    layer = upsampling("subpixel", 1, 1)
    nn.init.zeros_(layer.conv_block.weight)
    layer.conv_block.bias.data = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert layer(_X)[0, 0].tolist() == [[1, 2, 1, 2], [3, 4, 3, 4]] * 2
    assert layer.conv_block.out_channels == 4


def test_subpixel_convolution_starts_without_a_checkerboard() -> None:
    torch.manual_seed(0)
    y = upsampling("subpixel", 3, 2, factor=3)(torch.randn(1, 3, 4, 5))
    nearest = functional.interpolate(y[:, :, ::3, ::3], scale_factor=3)
    torch.testing.assert_close(y, nearest)
    assert y.std() > 0.1


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resize_convolution_interpolates_then_convolves(mode: str) -> None:
    torch.manual_seed(0)
    layer = upsampling(f"{mode}_resize", 2, 3, factor=2)
    x = torch.randn(1, 2, 4, 5)
    enlarged = functional.interpolate(x, scale_factor=2, mode=mode)
    torch.testing.assert_close(layer(x), functional.conv2d(enlarged, layer[1].weight, layer[1].bias, padding=1))
    assert layer[1].weight.shape == (3, 2, 3, 3)


@pytest.mark.parametrize("kind", UPSAMPLINGS)
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_every_kind_multiplies_every_size(kind: str, factor: int) -> None:
    n_out = 2 if kind in ("bed_of_nails", "nearest", "bilinear") else 5
    layer = upsampling(kind, 2, n_out, factor=factor)
    assert layer(torch.randn(2, 2, 3, 1)).shape == (2, n_out, 3 * factor, factor)
    assert bool(list(layer.parameters())) == (n_out == 5)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("cubic", 1, 1, 2), "one of"),
        (("nearest", 1, 1, 0), "at least 1"),
        (("bed_of_nails", 1, 2, 2), "keeps the number of channels"),
    ],
)
def test_refusals(arguments: tuple, match: str) -> None:
    *rest, factor = arguments
    with pytest.raises(ConfigError, match=match):
        upsampling(*rest, factor=factor)
