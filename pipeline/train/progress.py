"""What a training says as it runs: a line an epoch with loss and Dice."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator

from pipeline.train.checkpoints import KeptWeights
from pipeline.train.handlers import loss_of

__all__ = ["ProgressLines"]

_KINDS = ("dice", "iou")
"""Measures of overlap; a line tells those of the key metric's kind."""

_log = logging.getLogger(__name__)


class ProgressLines:
    """Logs a line an epoch: the mean loss, and after a validation the Dice and whether its weights were kept.

    The loss is summed where it lies, so that a GPU does not have to wait for it at every iteration. Attach behind what
    validates.

    Args:
        validator: the evaluator that the training validates with.
        keeper: what saves the weights.
    """

    def __init__(self, validator: Evaluator, *, keeper: KeptWeights) -> None:
        self.validator = validator
        self.keeper = keeper
        self._sum: torch.Tensor | float = 0.0
        self._n_batches = 0
        self._metrics: Mapping[str, Any] | None = None

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer and to the validator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._say)
        self.validator.add_event_handler(Events.COMPLETED, self._take)

    def _start(self) -> None:
        self._sum, self._n_batches, self._metrics = 0.0, 0, None

    def _add(self, engine: Engine) -> None:
        self._sum = self._sum + loss_of(cast(Mapping[str, Any], engine.state.output))
        self._n_batches += 1

    def _take(self, validator: Engine) -> None:
        self._metrics = dict(validator.state.metrics)

    def _say(self, engine: Engine) -> None:
        loss = float(self._sum) / max(self._n_batches, 1)
        _log.info("epoch %d of %d: loss %.4f%s", engine.state.epoch, engine.state.max_epochs, loss, self._validated())

    def _validated(self) -> str:
        if self._metrics is None:
            return ""
        key = str(self.validator.state.key_metric_name)
        score = float(self._metrics[key])
        kind = next((word for word in key.split("_") if word in _KINDS), key)
        parts = {name: value for name, value in self._metrics.items() if kind in name.split("_") and name != key}
        named = ", ".join(f"{_speak(name)} {float(value):.3f}" for name, value in parts.items())
        best = self.keeper.best
        kept = f"best {best:.3f}" if best is not None and math.isfinite(best) else "nothing scored yet"
        return f"; validation {_speak(key)} {score:.3f}{f' ({named})' if named else ''}, {kept}"


def _speak(name: str) -> str:
    return name.replace("_", " ")
