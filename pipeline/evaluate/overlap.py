"""The confusion-matrix family, and Dice and IoU of whole volumes.

The matrix p has p[i, j] pixels of true class i predicted as class j. If a class is in neither truth nor prediction
its value is NaN, and means ignore it. A class missed entirely counts 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.core.errors import GridError, LabelError
from pipeline.core.labels import BACKGROUND, STRUCTURES, UNLABELLED, Structure, is_partial, undrawn_values

__all__ = [
    "confusion_matrix",
    "dice_per_class",
    "frequency_weighted_iou",
    "iou_per_class",
    "known_mean",
    "mean_iou",
    "mean_pixel_accuracy",
    "overlap_table",
    "pixel_accuracy",
    "volume_overlap",
]


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, *, n_classes: int) -> np.ndarray:
    """Count pixels by true and predicted class. Pixels whose truth is `UNLABELLED` are ignored.

    Args:
        truth: integers 0 to n_classes - 1 or `UNLABELLED`, any shape.
        prediction: integers 0 to n_classes - 1, same shape.
        n_classes: number of classes.

    Returns:
        (n_classes, n_classes) int64, true class by row. Empty input gives zeros.

    Raises:
        GridError: shapes differ.
        LabelError: a value out of range.

    >>> confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), n_classes=2).tolist()
    [[1, 1], [0, 2]]
    """
    if truth.shape != prediction.shape:
        raise GridError(f"truth and prediction must have one shape, got {truth.shape} and {prediction.shape}")
    labelled = truth != UNLABELLED
    rows, columns = truth[labelled].astype(np.int64), prediction[labelled].astype(np.int64)
    if rows.size and not (min(rows.min(), columns.min()) >= 0 and max(rows.max(), columns.max()) < n_classes):
        raise LabelError(f"labels must be 0 to {n_classes - 1}, or {UNLABELLED} in the truth; got others as well")
    return np.bincount(rows * n_classes + columns, minlength=n_classes**2).reshape(n_classes, n_classes)


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Fraction of pixels that are right: sum p_ii / sum p_ij.

    >>> pixel_accuracy(np.array([[1, 1], [0, 2]]))
    0.75
    """
    return _ratio(np.trace(matrix), matrix.sum())


def mean_pixel_accuracy(matrix: np.ndarray) -> float:
    """Mean over the true classes of p_ii / sum_j p_ij.

    >>> mean_pixel_accuracy(np.array([[1, 1], [0, 2]]))
    0.75
    """
    return known_mean(_divide(np.diag(matrix), matrix.sum(1)))


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union (Jaccard) of each class: p_ii / (sum_j p_ij + sum_j p_ji - p_ii).

    >>> iou_per_class(np.array([[1, 1], [0, 2]])).round(4).tolist()
    [0.5, 0.6667]
    """
    hit = np.diag(matrix)
    return _divide(hit, matrix.sum(0) + matrix.sum(1) - hit)


def mean_iou(matrix: np.ndarray) -> float:
    """Mean of `iou_per_class` over the classes that occur.

    >>> round(mean_iou(np.array([[1, 1], [0, 2]])), 4)
    0.5833
    """
    return known_mean(iou_per_class(matrix))


def frequency_weighted_iou(matrix: np.ndarray) -> float:
    """IoU weighted by how frequent each class truly is: sum_i (sum_j p_ij) IoU_i / sum p_ij.

    >>> round(frequency_weighted_iou(np.array([[1, 1], [0, 2]])), 4)
    0.5833
    """
    frequency = matrix.sum(1)
    return _ratio((frequency * np.nan_to_num(iou_per_class(matrix))).sum(), matrix.sum())


def dice_per_class(matrix: np.ndarray) -> np.ndarray:
    """Dice (F1) of each class: 2 TP / (2 TP + FP + FN).

    >>> dice_per_class(np.array([[1, 1], [0, 2]])).round(4).tolist()
    [0.6667, 0.8]
    """
    return _divide(2 * np.diag(matrix), matrix.sum(0) + matrix.sum(1))


def overlap_table(matrix: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The whole family from one matrix.

    Args:
        matrix: (C, C), true class by row.
        names: the classes' names, in order. Class 0 is not treated as background.

    Returns:
        `mean_iou`, `mean_dice`, `mean_accuracy`, `frequency_weighted_iou`, `pixel_accuracy`, and `iou_<name>` and
        `dice_<name>` of each class.

    >>> table = overlap_table(np.array([[1, 1], [0, 2]]), ["ring", "rest"])
    >>> round(table["iou_ring"], 2), round(table["dice_rest"], 2)
    (0.5, 0.8)
    """
    dice, iou = dice_per_class(matrix), iou_per_class(matrix)
    means = {
        "mean_iou": known_mean(iou),
        "mean_dice": known_mean(dice),
        "mean_accuracy": mean_pixel_accuracy(matrix),
        "frequency_weighted_iou": frequency_weighted_iou(matrix),
        "pixel_accuracy": pixel_accuracy(matrix),
    }
    per_class = {f"iou_{name}": float(value) for name, value in zip(names, iou, strict=True)}
    return means | per_class | {f"dice_{name}": float(value) for name, value in zip(names, dice, strict=True)}


def volume_overlap(
    truth: np.ndarray, prediction: np.ndarray, *, structures: Sequence[Structure] = STRUCTURES
) -> dict[str, dict[str, float]]:
    """Dice and IoU of each structure over one volume.

    Args:
        truth: (X, Y, Z) label map. `UNLABELLED` pixels are ignored. A partial pixel is none of the structures that were
            annotated, and says nothing about the others.
        prediction: (X, Y, Z) label map.
        structures: which to score.

    Returns:
        Structure's name -> `{"dice": ..., "iou": ...}`, NaN if it is in neither or was not annotated, and 0 if it is in
        only one.

    Raises:
        GridError: shapes differ.
        LabelError: a value that is not a label.
    """
    drawn = np.where(is_partial(truth), BACKGROUND, truth)
    matrix = confusion_matrix(drawn, prediction, n_classes=len(STRUCTURES) + 1)
    dice, iou = dice_per_class(matrix), iou_per_class(matrix)
    undrawn = list(undrawn_values(truth))
    dice[undrawn], iou[undrawn] = np.nan, np.nan
    return {s.name: {"dice": float(dice[s.value]), "iou": float(iou[s.value])} for s in structures}


def known_mean(values: Iterable[float | None]) -> float:
    """Mean of what is known; NaN, without a warning, where nothing is.

    >>> known_mean([0.5, None, float("nan"), 1.0])
    0.75
    """
    known = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Elementwise quotient, NaN if the denominator is 0."""
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")
