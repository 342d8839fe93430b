"""Ignite metrics over whole volumes. The arithmetic is `pipeline.evaluate.overlap`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import ignite.distributed as idist
import numpy as np
import torch
from ignite.metrics import Metric

from pipeline.core.labels import PARTIAL, STRUCTURES, UNLABELLED, members
from pipeline.evaluate.overlap import confusion_matrix, known_mean, overlap_table, volume_overlap

__all__ = ["PixelOverlap", "VolumeOverlap", "overlap_metrics", "pixel_metrics"]


_LABELS = {0, *(s.value for s in STRUCTURES)}


class VolumeOverlap(Metric):
    """Dice and IoU of each structure, averaged over volumes, and their means over structures.

    A volume is one phase of one patient. A structure missed entirely counts 0. One absent from truth and prediction
    is not counted. If no volume counts, the mean is NaN. Expects decollated output: lists of dicts with `pred`
    and `label`, (T, X, Y, Z) label maps.
    """

    def __init__(self) -> None:
        self._rows: list[list[float]] = []
        super().__init__(output_transform=_prediction_and_truth)

    @staticmethod
    def names() -> list[str]:
        """Names of the values, in order: Dice by structure, mean Dice, IoU by structure, mean IoU."""
        return [f"{kind}_{item}" for kind in ("dice", "iou") for item in [*(s.name for s in STRUCTURES), "mean"]]

    def reset(self) -> None:
        """Forget all volumes."""
        self._rows = []

    def update(self, output: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Add volumes: pairs of prediction and truth, each (T, X, Y, Z)."""
        for prediction, truth in output:
            for predicted_phase, true_phase in zip(prediction, truth, strict=True):
                scores = volume_overlap(true_phase, predicted_phase)
                self._rows.append([scores[s.name][kind] for kind in ("dice", "iou") for s in STRUCTURES])

    def compute(self) -> dict[str, float]:
        """The means over all volumes of all processes."""
        rows = self._rows
        if idist.get_world_size() > 1:
            rows = [row for part in cast(list[list[list[float]]], idist.all_gather(self._rows)) for row in part]
        columns = np.array(rows, dtype=float).reshape(len(rows), -1)
        means = [known_mean(column) for column in columns.T] if len(rows) else [float("nan")] * 2 * len(STRUCTURES)
        dice, iou = means[: len(STRUCTURES)], means[len(STRUCTURES) :]
        return dict(zip(self.names(), [*dice, known_mean(dice), *iou, known_mean(iou)], strict=True))


def overlap_metrics(*, key: str = "dice_mean") -> tuple[dict[str, Metric], dict[str, Metric]]:
    """The values of one `VolumeOverlap` as scalar metrics: the key metric, and all others.

    Returns:
        Two dicts, for an evaluator's `key_val_metric` and `additional_metrics`.
    """
    overlap = VolumeOverlap()
    scalars: dict[str, Metric] = {name: overlap[name] for name in VolumeOverlap.names()}
    return {key: scalars.pop(key)}, scalars


class PixelOverlap(Metric):
    """The confusion-matrix family over all pixels of all volumes together, as the 2017 study counted.

    Expects decollated output: lists of dicts with `pred` and `label`, (T, X, Y, Z) label maps.

    Args:
        classes: name -> our label values that make it up. Together they hold every value. No class counts as
            background.
    """

    def __init__(self, classes: Mapping[str, Sequence[int]]) -> None:
        self.classes = {name: tuple(values) for name, values in classes.items()}
        self._table = np.full(256, len(self.classes), dtype=np.uint8)
        for index, values in enumerate(self.classes.values()):
            self._table[list(values)] = index
        self._table[UNLABELLED] = UNLABELLED
        for value in range(PARTIAL + 1, UNLABELLED):  # a partial one counts if its class is sure all the same
            if set(members(value)) <= _LABELS:
                of_classes = {int(self._table[member]) for member in members(value)}
                self._table[value] = of_classes.pop() if len(of_classes) == 1 else UNLABELLED
        self._matrix = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        super().__init__(output_transform=_prediction_and_truth)

    def reset(self) -> None:
        """Forget all pixels."""
        self._matrix = np.zeros_like(self._matrix)

    def update(self, output: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Add pixels: pairs of prediction and truth, each (T, X, Y, Z).

        Raises:
            LabelError: a value that no class holds.
        """
        for prediction, truth in output:
            maps = (self._table[np.asarray(labels, dtype=np.uint8)] for labels in (truth, prediction))
            self._matrix += confusion_matrix(*maps, n_classes=len(self.classes))

    def compute(self) -> dict[str, float]:
        """The values of `evaluate.overlap.overlap_table`, over all pixels of all processes."""
        matrix = self._matrix
        if idist.get_world_size() > 1:
            parts = cast(list[np.ndarray], idist.all_gather(matrix.tolist()))
            matrix = np.sum([np.asarray(part) for part in parts], axis=0)
        return overlap_table(matrix, list(self.classes))


def pixel_metrics(
    classes: Mapping[str, Sequence[int]], *, key: str = "mean_iou"
) -> tuple[dict[str, Metric], dict[str, Metric]]:
    """The values of one `PixelOverlap` as scalar metrics, see `overlap_metrics`."""
    overlap = PixelOverlap(classes)
    nothing = np.zeros((len(classes), len(classes)), dtype=np.int64)
    scalars: dict[str, Metric] = {name: overlap[name] for name in overlap_table(nothing, list(classes))}
    return {key: scalars.pop(key)}, scalars


def _prediction_and_truth(output: Sequence[Mapping[str, torch.Tensor]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.asarray(item["pred"].cpu()), np.asarray(item["label"].cpu())) for item in output]
