"""The eight poses are a group, and index matrices say the same as arrays do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from pipeline.core.pose import AS_STORED, POSES, Pose

PICTURES = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)


def test_there_are_eight_and_half_of_them_mirror() -> None:
    laid = {pose.apply(PICTURES).tobytes() for pose in POSES}
    assert len(laid) == 8
    assert sum(pose.is_mirror for pose in POSES) == 4
    assert POSES[0] == AS_STORED
    assert len({pose.name for pose in POSES}) == 8


def test_a_quarter_turn_clockwise_brings_what_was_left_to_the_top() -> None:
    picture = np.zeros((3, 3, 1))
    picture[0, 1] = 1.0  # X 0: left, Y 1: half-way down
    turned = Pose(True, True, False).apply(picture)
    assert turned[1, 0] == 1.0


@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_undone_and_composed(pose: Pose) -> None:
    np.testing.assert_array_equal(pose.inverse.apply(pose.apply(PICTURES)), PICTURES)
    assert pose.then(pose.inverse) == AS_STORED
    for other in POSES:
        np.testing.assert_array_equal(pose.then(other).apply(PICTURES), other.apply(pose.apply(PICTURES)))


@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_index_matrix_and_tensors_agree_with_arrays(pose: Pose) -> None:
    volume = PICTURES[0]
    laid, matrix = pose.apply(volume), pose.index_matrix(volume.shape)
    for index in itertools.product(*map(range, laid.shape)):
        stored = (matrix @ [*index, 1])[:3].astype(int)
        assert laid[index] == volume[tuple(stored)]
    assert (np.linalg.det(matrix) < 0) == pose.is_mirror
    np.testing.assert_array_equal(pose.apply(torch.tensor(volume)).numpy(), laid)
    slices = volume.transpose(2, 0, 1)
    np.testing.assert_array_equal(pose.apply(slices, axes=(-2, -1)), laid.transpose(2, 0, 1))
