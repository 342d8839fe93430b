"""Padding by replication and its undoing, on numbers."""

from __future__ import annotations

import pytest
import torch

from pipeline.networks.layers.sizes import centre_crop, pad_to_multiple


def test_edges_are_replicated_and_the_odd_one_goes_to_the_far_side() -> None:
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]])
    padded = pad_to_multiple(x, (4, 5))
    rows = [[1, 1, 2, 2, 2], [3, 3, 4, 4, 4], [5, 5, 6, 6, 6], [5, 5, 6, 6, 6]]
    torch.testing.assert_close(padded, torch.tensor(rows, dtype=torch.float32)[None, None])


@pytest.mark.parametrize(
    ("size", "multiples", "expected"),
    [((7, 9), (4, 4), (8, 12)), ((1, 1), (16, 16), (16, 16)), ((5, 6, 10), (4, 4, 1), (8, 8, 10))],
)
def test_cropping_undoes_padding(size: tuple[int, ...], multiples: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, *size)
    padded = pad_to_multiple(x, multiples)
    assert padded.shape[2:] == expected
    torch.testing.assert_close(centre_crop(padded, x), x, rtol=0, atol=0)


def test_nothing_is_copied_where_nothing_is_missing() -> None:
    x = torch.randn(1, 1, 8, 16)
    assert pad_to_multiple(x, (8, 8)) is x
    assert centre_crop(x, x) is x


def test_memory_format_survives() -> None:
    x = torch.randn(1, 4, 7, 7).to(memory_format=torch.channels_last)
    assert pad_to_multiple(x, (8, 8)).is_contiguous(memory_format=torch.channels_last)
