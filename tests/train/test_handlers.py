"""Early stop, seeds and records."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events

from pipeline.core.errors import ConfigError, PipelineError
from pipeline.train.handlers import (
    EarlyStop,
    EpochSeed,
    MetricsRecord,
    StopOnNan,
    ValidateInTime,
    seed_everything,
)


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


def test_loss_that_is_not_finite_ends_the_run_at_the_next_look() -> None:
    def train(losses: list[float]) -> None:
        engine = Engine(lambda _engine, batch: {"loss": torch.tensor(batch)})
        StopOnNan(every=3).attach(engine)
        engine.run(losses)

    train([1.0] * 5)
    with pytest.raises(PipelineError, match="iteration 3: lower `learning_rate`"):
        train([1.0, float("nan"), float("nan"), 1.0])
    with pytest.raises(PipelineError, match="iteration 1: lower `learning_rate`"):
        train([float("inf")])  # at the epoch's end, before anything is saved


@pytest.mark.parametrize(("last_epoch", "validated"), [(4, [2, 4]), (5, [2, 4, 5]), (1, [1])])
def test_the_last_epoch_is_validated_whatever_ends_the_training(last_epoch: int, validated: list[int]) -> None:
    seen: list[int] = []
    validator = SimpleNamespace(run=seen.append)
    for max_epochs, stop_at in ((last_epoch, None), (9, last_epoch)):
        trainer = Engine(lambda _engine, _batch: None)
        trainer.add_event_handler(
            Events.EPOCH_COMPLETED, lambda e, stop=stop_at: e.terminate() if e.state.epoch == stop else None
        )
        ValidateInTime(validator, interval=2).attach(trainer)
        trainer.run([0], max_epochs=max_epochs)
        assert seen == validated
        seen.clear()
    with pytest.raises(ConfigError, match="val_interval"):
        ValidateInTime(validator, interval=0)


def test_seeds_repeat_and_cudnn_is_told() -> None:
    seed_everything(5, deterministic=False)
    first = torch.rand(1)
    assert torch.backends.cudnn.benchmark
    seed_everything(5)
    assert torch.equal(first, torch.rand(1))
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


def test_metrics_are_recorded_and_what_is_no_number_becomes_null(tmp_path: Path) -> None:
    engine = Engine(lambda _engine, _batch: None)
    MetricsRecord(str(tmp_path / "run" / "metrics.json")).attach(engine)
    engine.add_event_handler(
        Events.EPOCH_COMPLETED, lambda e: e.state.metrics.update(dice_mean=0.5, dice_myocardium=float("nan"))
    )
    engine.run([0])
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics == {"dice_mean": 0.5, "dice_myocardium": None}


def test_a_training_whose_patience_was_over_stops_at_once_when_resumed() -> None:
    validator = SimpleNamespace(state=SimpleNamespace(metrics={"dice_mean": 0.5}, key_metric_name="dice_mean"))
    for patience, n_epochs in ((2, 0), (4, 2)):
        rule, trainer, done = EarlyStop(validator, patience=patience), Engine(lambda _engine, _batch: None), []
        rule.load_state_dict({**rule.state_dict(), "counter": 2, "best_score": 0.9})
        rule.attach(trainer)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, done.append)
        trainer.run([0], max_epochs=9)
        assert len(done) == n_epochs
