"""The slice axis of a file is found, moved to the end, and moved back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.core.storage import find_slice_axis, slices_last, to_stored_affine, to_stored_order


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((216, 256, 10), (1.4, 1.4, 10.0)),
        ((40, 44, 60), (1.4, 1.4, 8.0)),  # spacing before counts
        ((256, 256, 12), (1.0, 1.0, 1.0)),  # spacing unknown
        ((256, 200, 1), (1.4, 1.4, 1.0)),  # one slice, whose thickness nobody stated
        ((256, 256, 160), (1.0, 1.0, 1.5)),
        ((208, 160, 12), (1.2, 1.6, 1.2)),  # long pixels are no slice axis
    ],
)
def test_found_wherever_it_is_stored(order, shape, spacing) -> None:
    axis, doubt = find_slice_axis([shape[i] for i in order], [spacing[i] for i in order])
    assert order[axis] == 2
    assert doubt is None


def test_the_last_where_nothing_tells_and_then_it_says_so() -> None:
    axis, doubt = find_slice_axis((100, 120, 90), (1.0, 1.0, 1.05))
    assert axis == 2
    assert doubt is not None
    assert "100 x 120 x 90" in doubt


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_there_and_back(axis: int) -> None:
    rng = np.random.default_rng(axis)
    stored, affine = rng.normal(size=(2, 3, 4, 5)), np.vstack([rng.normal(size=(3, 4)), [0, 0, 0, 1]])
    moved, moved_affine = slices_last(stored, affine, axis)
    assert moved.shape[3] == stored.shape[1 + axis]
    np.testing.assert_array_equal(to_stored_order(moved, axis), stored)
    np.testing.assert_array_equal(to_stored_affine(moved_affine, axis), affine)
    index = {0: (1, 2, 0), 1: (0, 2, 1), 2: (0, 1, 2)}[axis]  # the same voxel, the same place
    here = np.array([2, 3, 4])
    np.testing.assert_allclose(affine @ [*here, 1], moved_affine @ [*here[list(index)], 1])
    assert moved[(1, *here[list(index)])] == stored[(1, *here)]
