"""Trainings that end on time with their schedule finished, to use a given slot of machine time fully."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import ignite.distributed as idist
from ignite.engine import Engine, Events

from pipeline.core.errors import ConfigError

__all__ = ["TimeLimit"]


class TimeLimit:
    """Ends a training after a number of minutes, including those of the runs it resumes from.

    When the time is over, the epoch is cut short and counts as completed, so that the last weights are validated and
    saved. The longest time that validating and saving took so far is reserved for that, and no epoch is begun that
    would be cut short at once. A run under a limit depends on the machine's speed, so it is not exactly reproducible.

    Attach first, since other handlers ask at the end of an epoch whether it was the last one. Of several processes the
    first one's clock counts for all: else one would end an epoch in which another waits for its gradients.

    Args:
        max_minutes: from the start of the first epoch (`None`: no limit).
        clock: time in seconds (replaced in tests).

    Raises:
        ConfigError: a limit that is not positive.
    """

    def __init__(self, max_minutes: float | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        if max_minutes is not None and max_minutes <= 0:
            raise ConfigError(f"`max_minutes` must be above 0, or null for no limit, got {max_minutes}")
        self.limit_s = None if max_minutes is None else 60.0 * max_minutes
        self._clock = clock
        self._before_s = 0.0
        self._started: float | None = None
        self._epoch_ended: float | None = None
        self._reserve_s = 0.0

    @property
    def used_s(self) -> float:
        """Seconds trained so far, over all runs."""
        return self._before_s + (0.0 if self._started is None else self._clock() - self._started)

    def fraction(self) -> float:
        """Used part of the time, 0 to 1, 0 without a limit. All processes ask for it together."""
        if self.limit_s is None:
            return 0.0
        return _of_first(min(1.0, self.used_s / max(self.limit_s - self._reserve_s, 1e-9)))

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._check)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)

    def state_dict(self) -> Mapping[str, Any]:
        """The time used so far."""
        return {"used_s": self.used_s}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the time of an earlier run."""
        self._before_s = float(state_dict["used_s"])

    def _start_epoch(self, engine: Engine) -> None:
        if self._epoch_ended is not None:
            self._reserve_s = max(self._reserve_s, self._clock() - self._epoch_ended)
        if self._started is None:
            self._started = self._clock()
            if self.fraction() >= 1.0:  # a finished run is resumed: nothing is left to do
                engine.terminate()

    def _check(self, engine: Engine) -> None:
        if self.fraction() >= 1.0:
            engine.terminate_epoch()

    def _end_epoch(self, engine: Engine) -> None:
        self._epoch_ended = self._clock()
        if self.limit_s is not None and _of_first(self.used_s + 2 * self._reserve_s) >= self.limit_s:
            engine.terminate()


def _of_first(number: float) -> float:
    """A number as the first process has it."""
    return cast(float, idist.broadcast(number, src=0)) if idist.get_world_size() > 1 else number
