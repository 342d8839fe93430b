"""Metrics by name, early stop, seeds and records."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events

from pipeline.core.errors import PipelineError
from pipeline.train.handlers import EarlyStop, EpochSeed, MetricsRecord, RunRecord, StopOnNan, overlap_metrics


def _volume(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8).view(1, -1, 1, 1)


def _evaluate(batches: list[list[dict[str, torch.Tensor]]]) -> dict[str, float]:
    engine = Engine(lambda _engine, batch: batch)
    key, others = overlap_metrics()
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


def test_early_stop_counts_validations_and_keeps_its_state() -> None:
    validator = SimpleNamespace(state=SimpleNamespace(metrics={"dice_mean": 0.5}, key_metric_name="dice_mean"))

    def epochs_until_stop(state: dict | None = None) -> tuple[int, EarlyStop]:
        trainer = Engine(lambda _engine, _batch: None)
        rule = EarlyStop(validator, patience=3)
        if state:
            rule.load_state_dict(state)
        rule.attach(trainer)
        trainer.run([0], max_epochs=10)
        return trainer.state.epoch, rule

    n_epochs, rule = epochs_until_stop()
    assert n_epochs == 4  # the first sets the mark, three do not better it
    assert epochs_until_stop(dict(rule.state_dict()))[0] == 1


def test_epoch_seed_depends_on_the_epoch_alone() -> None:
    def draws(start: int) -> list[float]:
        engine, seen = Engine(lambda _engine, _batch: torch.rand(1).item()), []
        EpochSeed(3).attach(engine)
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: seen.append(e.state.output))
        engine.load_state_dict({"epoch": start, "max_epochs": 4, "epoch_length": 2})
        engine.run([0, 1], max_epochs=4)
        return seen

    torch.manual_seed(99)
    everything = draws(0)
    torch.rand(17)
    assert draws(2) == everything[4:]
    assert len(set(everything)) == 8


def test_loss_that_is_not_finite_ends_the_run() -> None:
    engine = Engine(lambda _engine, batch: [{"loss": torch.tensor(batch)}])
    StopOnNan().attach(engine)
    engine.run([1.0])
    with pytest.raises(PipelineError, match="learning_rate"):
        engine.run([float("nan")])


def test_records(tmp_path: Path) -> None:
    engine = Engine(lambda _engine, _batch: None)
    split = {"train": ["b", "a", "a"], "validation": ["c"]}
    RunRecord(str(tmp_path / "run" / "run.json"), split=split, settings={"seed": 4}).attach(engine)
    MetricsRecord(str(tmp_path / "run" / "metrics.json")).attach(engine)
    engine.add_event_handler(
        Events.EPOCH_COMPLETED, lambda e: e.state.metrics.update(dice_mean=0.5, dice_myocardium=float("nan"))
    )
    engine.run([0])
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["split"] == {"train": ["a", "b"], "validation": ["c"]}
    assert record["settings"]["seed"] == 4
    assert {"pipeline", "torch", "monai", "ignite"} <= set(record["versions"])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics == {"dice_mean": 0.5, "dice_myocardium": None}
