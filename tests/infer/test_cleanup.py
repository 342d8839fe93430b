"""What cannot be goes, and on request all but the largest pieces, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from pipeline.core.errors import GridError
from pipeline.infer.cleanup import keep_largest_component, remove_impossible
from pipeline.infer.transforms import KeepLargestComponentd, RemoveImpossibled
from pipeline.read.cine import read_label
from pipeline.read.datasets import load_datalist


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


def _heart() -> np.ndarray:
    """Two phases of 20 x 20 x 3, the second empty: a cavity of 4 x 4 in a wall of 8 x 8, a right one of 4 x 8."""
    labels = np.zeros((2, 20, 20, 3), dtype=np.uint8)
    labels[0, 6:14, 6:14] = 2
    labels[0, 8:12, 8:12] = 1
    labels[0, 2:6, 6:14] = 3
    return labels


def test_a_heart_stays_as_it_is() -> None:
    np.testing.assert_array_equal(remove_impossible(_heart()), _heart())


def test_pieces_apart_from_the_heart_go() -> None:
    labels = _heart()
    labels[0, 17:19, 17, 0] = 3
    labels[0, 0, 0, 2] = 1
    before = labels.copy()
    np.testing.assert_array_equal(remove_impossible(labels), _heart())
    np.testing.assert_array_equal(labels, before)


def test_pieces_that_touch_the_heart_by_a_corner_or_in_the_next_slice_stay() -> None:
    labels = _heart()
    labels[0, :, :, 2] = 0
    labels[0, 10, 10, 2] = 2  # the apex
    labels[0, 14, 14, 0] = 3
    np.testing.assert_array_equal(remove_impossible(labels), labels)


def test_a_second_piece_that_may_be_the_heart_stays() -> None:
    labels = _heart()
    labels[0, 16:20, 16:20] = 1  # 48 of 288 voxels
    np.testing.assert_array_equal(remove_impossible(labels), labels)


def test_holes_become_what_is_around_them() -> None:
    labels = _heart()
    labels[0, 9, 9, 0] = labels[0, 7, 7, 1] = labels[0, 4, 10, 2] = 0  # in the cavity, the wall, the right ventricle
    np.testing.assert_array_equal(remove_impossible(labels), _heart())


def test_a_hole_between_two_structures_goes_by_majority_and_in_a_tie_to_the_lower_label() -> None:
    labels = _heart()
    labels[0, 8, 9, 0] = 0  # three pixels of cavity, one of wall
    labels[0, 8, 8, 1] = 0  # two and two
    labels[0, 7, 9, 2] = 0  # one of cavity, three of wall
    np.testing.assert_array_equal(remove_impossible(labels), _heart())


def test_what_may_be_a_missed_cavity_or_is_not_enclosed_stays_open() -> None:
    labels = _heart()
    labels[0, 8:12, 8:12, 0] = 0  # the whole cavity
    labels[0, 6, 10, 1] = 0  # between left and right
    labels[0, 8, 13, 2] = 0  # at the edge
    np.testing.assert_array_equal(remove_impossible(labels), labels)


def test_unlabelled_voxels_are_left_alone() -> None:
    labels = _heart()
    labels[0, 9, 9, 0] = 255
    labels[0, 9, 10, 0] = 0
    labels[0, 0, 0, 0] = 255
    np.testing.assert_array_equal(remove_impossible(labels), labels)


def test_twice_is_once() -> None:
    noisy = np.random.default_rng(0).choice([0, 1, 2, 3, 255], (2, 30, 30, 4), p=[0.3, 0.25, 0.25, 0.15, 0.05])
    noisy[0, :, ::5] = 0  # and stripes between pieces
    once = remove_impossible(noisy.astype(np.uint8))
    assert (once != noisy).any()
    np.testing.assert_array_equal(remove_impossible(once), once)


def test_wrapper_of_the_clean_up_keeps_the_metadata() -> None:
    labels, affine = _heart(), torch.diag(torch.tensor([-1.5, -1.5, 8.0, 1.0], dtype=torch.float64))
    labels[0, 19, 19, 0] = 2
    item = RemoveImpossibled("pred")({"pred": MetaTensor(torch.from_numpy(labels), affine=affine)})
    torch.testing.assert_close(item["pred"].affine, affine)
    np.testing.assert_array_equal(item["pred"].as_tensor().numpy(), _heart())


def test_clean_up_refuses_a_single_phase_without_its_axis() -> None:
    with pytest.raises(GridError, match="T, X, Y, Z"):
        remove_impossible(_heart()[0])


def test_experts_draw_nothing_impossible(cmr_data: Path) -> None:
    for case in load_datalist(cmr_data / "acdc", layout="acdc")[::25]:
        labels = read_label(case["label"], scheme=case["scheme"]).array
        np.testing.assert_array_equal(remove_impossible(labels), labels)
