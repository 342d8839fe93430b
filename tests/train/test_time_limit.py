"""Trainings that end on time."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine, Events

from pipeline.core.errors import ConfigError
from pipeline.train.schedules import make_schedule
from pipeline.train.time_limit import TimeLimit


class Clock:
    """Shows the time that work has taken."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def run(limit: TimeLimit, clock: Clock, *, step_s: float, pause_s: float = 0.0) -> Engine:
    """Epochs of ten iterations, each taking `step_s`, and `pause_s` of validating after each epoch."""

    def work(_engine: Engine, _batch: int) -> None:
        clock.seconds += step_s

    def validate(_engine: Engine) -> None:
        clock.seconds += pause_s

    trainer = Engine(work)
    limit.attach(trainer)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    trainer.run(range(10), max_epochs=100)
    return trainer


def test_the_epoch_in_which_time_is_over_is_broken_off_and_completed() -> None:
    clock = Clock()
    limit = TimeLimit(1.0, clock=clock)
    trainer = run(limit, clock, step_s=4.0)
    assert (trainer.state.epoch, trainer.state.iteration) == (2, 15)
    assert limit.fraction() == 1.0


def test_time_for_validating_is_kept_free() -> None:
    clock = Clock()
    limit = TimeLimit(1.0, clock=clock)
    assert run(limit, clock, step_s=1.0, pause_s=4.0).state.iteration == 40
    assert limit.used_s == 56.0  # a fifth epoch could only be begun
    long = TimeLimit(1.0, clock=clock)
    assert run(long, clock, step_s=3.0, pause_s=5.0).state.iteration == 17
    assert long.used_s == 61.0  # to the end of the iteration in hand


def test_a_resumed_run_has_what_time_is_left_and_a_finished_one_none() -> None:
    clock = Clock()
    first = TimeLimit(1.0, clock=clock)
    first.load_state_dict({"used_s": 50.0})
    assert run(first, clock, step_s=1.0).state.iteration == 10
    second = TimeLimit(1.0, clock=clock)
    second.load_state_dict(first.state_dict())
    assert run(second, clock, step_s=1.0).state.iteration == 0


def test_without_a_limit_nothing_ends() -> None:
    clock = Clock()
    limit = TimeLimit(None, clock=clock)
    assert run(limit, clock, step_s=1e6).state.iteration == 1000
    assert limit.fraction() == 0.0


def test_the_schedule_ends_with_the_time() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    used = [0.0]
    schedule = make_schedule(optimizer, shape="poly", n_iterations=100, power=1.0, time_used=lambda: used[0])
    rates = []
    for used[0] in (0.0, 0.25, 0.5, 1.0):
        optimizer.step()
        schedule.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.99, 0.75, 0.5, 0.0])


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_minutes"):
        TimeLimit(0)
