"""The largest piece of each structure stays, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from pipeline.core.errors import GridError
from pipeline.restore.cleanup import keep_largest_component
from pipeline.restore.transforms import KeepLargestComponentd


def _map() -> np.ndarray:
    """Two phases of 6 x 4 x 2; pieces of label 1 with 3 and 1 voxels, of label 3 with 1 and 2, some unlabelled."""
    labels = np.zeros((2, 6, 4, 2), dtype=np.uint8)
    labels[0, 0:3, 0, 0] = 1
    labels[0, 5, 3, 0] = 1
    labels[1, 0, 0, 0] = 3
    labels[1, 4:6, 2, 1] = 3
    labels[1, 0, 3, 0] = 255
    return labels


def test_smaller_pieces_go_phase_by_phase() -> None:
    labels = _map()
    kept = keep_largest_component(labels)
    expected = _map()
    expected[0, 5, 3, 0] = 0
    expected[1, 0, 0, 0] = 0
    np.testing.assert_array_equal(kept, expected)
    np.testing.assert_array_equal(labels, _map())
    assert kept.dtype == np.uint8


def test_pieces_hold_together_across_slices_even_by_a_corner() -> None:
    labels = np.zeros((1, 4, 4, 2), dtype=np.uint8)
    labels[0, 1, 1, 0] = labels[0, 2, 2, 1] = 2
    np.testing.assert_array_equal(keep_largest_component(labels), labels)


def test_structures_do_not_hold_each_other_together() -> None:
    row = np.array([1, 1, 2, 1, 2, 2], dtype=np.uint8).reshape(1, 6, 1, 1)
    assert keep_largest_component(row).ravel().tolist() == [1, 1, 0, 0, 2, 2]


def test_nothing_in_nothing_out_and_twice_is_once() -> None:
    empty = np.zeros((1, 3, 3, 1), dtype=np.uint8)
    np.testing.assert_array_equal(keep_largest_component(empty), empty)
    noisy = np.random.default_rng(0).integers(0, 4, (2, 12, 12, 3)).astype(np.uint8)
    once = keep_largest_component(noisy)
    np.testing.assert_array_equal(keep_largest_component(once), once)


def test_wrapper_keeps_the_metadata() -> None:
    affine = torch.diag(torch.tensor([-1.5, -1.5, 8.0, 1.0], dtype=torch.float64))
    item = KeepLargestComponentd("pred")({"pred": MetaTensor(torch.from_numpy(_map()), affine=affine)})
    assert item["pred"].dtype == torch.uint8
    torch.testing.assert_close(item["pred"].affine, affine)
    np.testing.assert_array_equal(item["pred"].as_tensor().numpy(), keep_largest_component(_map()))


def test_a_single_phase_without_its_axis_is_refused() -> None:
    with pytest.raises(GridError, match="T, X, Y, Z"):
        keep_largest_component(_map()[0])
