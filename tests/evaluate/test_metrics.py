"""Metrics by name, over volumes and over pixels."""

from __future__ import annotations

import math

import pytest
import torch
from ignite.engine import Engine
from ignite.metrics import Metric

from pipeline.core.errors import LabelError
from pipeline.core.labels import UNLABELLED, one_of
from pipeline.evaluate.metrics import overlap_metrics, pixel_metrics

RING = {"ring": [2], "rest": [0, 1, 3]}


def _volume(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8).view(1, -1, 1, 1)


def _evaluate(
    batches: list[list[dict[str, torch.Tensor]]], metrics: tuple[dict[str, Metric], dict[str, Metric]] | None = None
) -> dict[str, float]:
    engine = Engine(lambda _engine, batch: batch)
    key, others = metrics or overlap_metrics()
    for name, metric in (key | others).items():
        metric.attach(engine, name)
    engine.run(batches)
    return dict(engine.state.metrics)


def test_means_over_volumes_by_hand() -> None:
    # LV: Dice 1 and 0.5; MYO: missed (0), then absent from both (not counted); RV nowhere
    first = {"label": _volume([1, 1, 2, 0]), "pred": _volume([1, 1, 0, 0])}
    second = {"label": _volume([1, 1, 0, 0]), "pred": _volume([0, 1, 1, 0])}
    metrics = _evaluate([[first], [second]])
    assert metrics["dice_left_ventricle"] == pytest.approx(0.75)
    assert metrics["iou_left_ventricle"] == pytest.approx((1 + 1 / 3) / 2)
    assert metrics["dice_myocardium"] == 0.0
    assert math.isnan(metrics["dice_right_ventricle"])
    assert metrics["dice_mean"] == pytest.approx(0.375)
    assert len(metrics) == 8


def test_each_phase_is_a_volume() -> None:
    label = torch.cat([_volume([1, 1]), _volume([1, 1])])
    pred = torch.cat([_volume([1, 1]), _volume([0, 0])])
    assert _evaluate([[{"label": label, "pred": pred}]])["dice_left_ventricle"] == 0.5


def test_the_studys_table_by_hand() -> None:
    # true ring 3, found 2 of them and one more: TP 2, FN 1, FP 1, TN 3; the unlabelled pixel is passed over
    case = {"label": _volume([2, 2, 2, 0, 1, 3, 0, UNLABELLED]), "pred": _volume([2, 2, 0, 2, 1, 0, 3, 2])}
    metrics = _evaluate([[case]], pixel_metrics(RING))
    assert metrics["iou_ring"] == pytest.approx(2 / 4)
    assert metrics["iou_rest"] == pytest.approx(3 / 5)
    assert metrics["dice_ring"] == pytest.approx(4 / 6)
    assert metrics["mean_iou"] == pytest.approx((2 / 4 + 3 / 5) / 2)
    assert metrics["mean_accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert metrics["pixel_accuracy"] == pytest.approx(5 / 7)
    assert metrics["frequency_weighted_iou"] == pytest.approx((3 * 2 / 4 + 4 * 3 / 5) / 7)
    assert len(metrics) == 9


def test_pixels_of_all_volumes_are_counted_together() -> None:
    small, large = {"label": _volume([2]), "pred": _volume([0])}, {"label": _volume([2] * 9), "pred": _volume([2] * 9)}
    assert _evaluate([[small], [large]], pixel_metrics(RING))["iou_ring"] == pytest.approx(0.9)


def test_a_value_of_no_class_is_refused() -> None:
    with pytest.raises(LabelError):
        _evaluate([[{"label": _volume([1]), "pred": _volume([2])}]], pixel_metrics({"ring": [2], "rest": [0]}))


def test_a_pixel_that_may_be_one_of_several_counts_if_they_are_of_one_class() -> None:
    case = {"label": _volume([one_of((0, 3)), one_of((0, 2)), 2]), "pred": _volume([2, 0, 2])}
    metrics = _evaluate([[case]], pixel_metrics(RING))
    assert (metrics["iou_ring"], metrics["pixel_accuracy"]) == (0.5, 0.5)
