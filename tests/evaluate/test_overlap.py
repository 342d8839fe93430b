"""The confusion-matrix family against tables worked by hand, against each other, and against Ignite."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ignite.metrics.confusion_matrix import ConfusionMatrix, DiceCoefficient, IoU, cmAccuracy, mIoU

from pipeline.core.errors import GridError, LabelError
from pipeline.evaluate.overlap import (
    confusion_matrix,
    dice_per_class,
    frequency_weighted_iou,
    iou_per_class,
    mean_iou,
    mean_pixel_accuracy,
    overlap_table,
    pixel_accuracy,
    volume_overlap,
)

# true class by row: 10 of class 0 (8 right), 20 of class 1 (15 right), 70 of class 2 (66 right)
MATRIX = np.array([[8, 1, 1], [2, 15, 3], [0, 4, 66]])
matrices = st.lists(st.integers(0, 50), min_size=9, max_size=9).map(lambda v: np.array(v).reshape(3, 3))


def test_table_by_hand() -> None:
    assert pixel_accuracy(MATRIX) == pytest.approx(0.89)
    assert mean_pixel_accuracy(MATRIX) == pytest.approx((8 / 10 + 15 / 20 + 66 / 70) / 3)
    iou = [8 / (10 + 10 - 8), 15 / (20 + 20 - 15), 66 / (70 + 70 - 66)]
    assert iou_per_class(MATRIX) == pytest.approx(iou)
    assert mean_iou(MATRIX) == pytest.approx(sum(iou) / 3)
    assert frequency_weighted_iou(MATRIX) == pytest.approx(0.1 * iou[0] + 0.2 * iou[1] + 0.7 * iou[2])
    assert dice_per_class(MATRIX) == pytest.approx([16 / 20, 30 / 40, 132 / 140])


def test_ring_is_class_zero_in_the_2017_study_and_still_scored() -> None:
    # ring 2 % of the pixels, over-drawn as the study's v3 does it: IoU 0.45 and 0.98, Dice 0.62
    table = overlap_table(np.array([[18, 2], [20, 960]]), ["ring", "rest"])
    assert table["iou_ring"] == pytest.approx(18 / 40)
    assert table["dice_ring"] == pytest.approx(36 / 58)
    assert table["iou_rest"] == pytest.approx(960 / 982)
    assert table["mean_accuracy"] == pytest.approx((18 / 20 + 960 / 980) / 2)


def test_counts_by_hand_and_unlabelled_is_passed_over() -> None:
    truth = np.array([[0, 1, 255], [2, 2, 0]], dtype=np.uint8)
    guess = np.array([[0, 2, 1], [2, 1, 1]], dtype=np.uint8)
    assert confusion_matrix(truth, guess, n_classes=3).tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 1]]


def test_absent_classes_are_nan_and_not_in_the_means() -> None:
    matrix = np.array([[5, 0, 0], [0, 0, 0], [1, 0, 4]])
    assert math.isnan(iou_per_class(matrix)[1])
    assert mean_iou(matrix) == pytest.approx((5 / 6 + 4 / 5) / 2)
    assert math.isnan(mean_iou(np.zeros((3, 3))))


@given(matrices)
def test_dice_follows_from_iou(matrix: np.ndarray) -> None:
    iou = iou_per_class(matrix)
    np.testing.assert_allclose(dice_per_class(matrix), 2 * iou / (1 + iou))


@given(st.integers(0, 10_000))
def test_equals_ignite(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, guess = rng.integers(0, 3, (2, 500))
    ignite_matrix = ConfusionMatrix(num_classes=3)
    derived = [kind(ignite_matrix) for kind in (IoU, DiceCoefficient, mIoU, cmAccuracy)]
    ignite_matrix.update((torch.nn.functional.one_hot(torch.tensor(guess), 3).float(), torch.tensor(truth)))
    matrix = confusion_matrix(truth, guess, n_classes=3)
    assert matrix.tolist() == ignite_matrix.compute().long().tolist()
    iou, dice, mean, accuracy = (metric.compute() for metric in derived)
    np.testing.assert_allclose(iou_per_class(matrix), iou, atol=1e-6)
    np.testing.assert_allclose(dice_per_class(matrix), dice, atol=1e-6)
    assert mean_iou(matrix) == pytest.approx(mean.item(), abs=1e-6)
    assert pixel_accuracy(matrix) == pytest.approx(accuracy.item(), abs=1e-6)


def test_volume_rules() -> None:
    truth = np.zeros((4, 4, 2), dtype=np.uint8)
    guess = truth.copy()
    truth[:2, 0, 0] = 1
    guess[1:3, 0, 0] = 1  # one voxel of two shared
    truth[0, 1, 1] = 2  # missed entirely; structure 3 is in neither
    scores = volume_overlap(truth, guess)
    assert scores["left_ventricle"] == {"dice": 0.5, "iou": pytest.approx(1 / 3)}
    assert scores["myocardium"] == {"dice": 0.0, "iou": 0.0}
    assert math.isnan(scores["right_ventricle"]["dice"])


def test_refusals() -> None:
    with pytest.raises(GridError, match="one shape"):
        confusion_matrix(np.zeros(3), np.zeros(4), n_classes=2)
    with pytest.raises(LabelError, match="0 to 1"):
        confusion_matrix(np.array([0, 2]), np.array([0, 1]), n_classes=2)
