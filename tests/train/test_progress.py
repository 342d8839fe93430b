"""A line an epoch."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events

from pipeline.train.progress import ProgressLines


def _lines(caplog: pytest.LogCaptureFixture, metrics: dict[str, float], key: str, best: float | None) -> list[str]:
    """What two epochs of losses 1, 3 and 2, 2 say, the second of which is validated."""
    trainer, validator = (Engine(lambda _engine, batch: {"loss": torch.tensor(batch)}) for _ in range(2))
    validator.state.key_metric_name = key
    validator.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.state.metrics.update(metrics))

    def validate(engine: Engine) -> None:
        if engine.state.epoch == 2:
            validator.run([0.0])

    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    ProgressLines(validator, keeper=SimpleNamespace(best=best)).attach(trainer)
    with caplog.at_level(logging.INFO, logger="pipeline.train.progress"):
        trainer.run([1.0, 3.0], max_epochs=2)
    return [record.message for record in caplog.records if record.name == "pipeline.train.progress"]


def test_loss_and_dice_and_the_best_are_told(caplog: pytest.LogCaptureFixture) -> None:
    metrics = {"dice_mean": 0.5, "dice_left_ventricle": 0.75, "iou_mean": 0.25}
    first, second = _lines(caplog, metrics, "dice_mean", 0.625)
    assert first == "epoch 1 of 2: loss 2.0000"
    assert second == "epoch 2 of 2: loss 2.0000; validation dice mean 0.500 (dice left ventricle 0.750), best 0.625"


def test_another_measure_is_told_by_its_own_kind(caplog: pytest.LogCaptureFixture) -> None:
    metrics = {"mean_iou": 0.5, "iou_ring": 0.25, "iou_rest": 0.75}
    assert (
        "validation mean iou 0.500 (iou ring 0.250, iou rest 0.750), best" in _lines(caplog, metrics, "mean_iou", 1)[1]
    )


def test_where_nothing_could_be_scored_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    line = _lines(caplog, {"dice_mean": float("nan")}, "dice_mean", -float("inf"))[1]
    assert line.endswith("validation dice mean nan, nothing scored yet")
