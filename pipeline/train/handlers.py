"""Ignite handlers that MONAI lacks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import ignite
import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import CallableEventWithFilter, Engine, Events
from ignite.handlers import EarlyStopping
from monai.engines import Evaluator
from monai.utils import set_determinism

from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.files import write_json

__all__ = [
    "Attached",
    "EarlyStop",
    "EpochSeed",
    "MetricsRecord",
    "StopOnNan",
    "ValidateInTime",
    "loss_of",
    "seed_everything",
]

_log = logging.getLogger(__name__)
_NO_ENGINE = Engine(lambda _engine, _batch: None)  # Ignite's rule wants its trainer before there is one


def seed_everything(seed: int, *, deterministic: bool = True) -> None:
    """Seed all random generators, and set how cuDNN chooses its kernels.

    Args:
        seed: the run's seed.
        deterministic: bitwise reproducible results. Otherwise cuDNN tries its kernels and uses the fastest.
    """
    set_determinism(seed=seed)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


def loss_of(output: Mapping[str, Any]) -> torch.Tensor:
    """The loss in what MONAI's trainer gives for a batch."""
    loss: torch.Tensor = output["loss"]
    return loss.detach()


class EpochSeed:
    """Seeds all random generators at each epoch from (seed, epoch).

    So an epoch's shuffling and augmentation do not depend on what ran before it, and a resumed run meets the same. All
    processes of a training have the same, and take their part of it (`whole_batch.draw`).

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed torch, NumPy and Python for the epoch that starts."""
        sequence = np.random.SeedSequence([self.seed, engine.state.epoch])
        ignite.utils.manual_seed(int(sequence.generate_state(1)[0]))


class Attached:
    """Puts a handler that the configuration also needs elsewhere, as for its state, into a list of handlers.

    MONAI's check of bundles wants every handler there to be written as an object, not as a reference.

    Args:
        handler: anything with `attach`.
    """

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def attach(self, engine: Engine) -> None:
        """Attach the handler."""
        self.handler.attach(engine)


class EarlyStop:
    """Ends a training when validation has not improved for some time. Its state can be saved and resumed.

    Attach behind the `ValidationHandler`. MONAI's `EarlyStopHandler` sits on the validator and needs the trainer,
    a cycle in a configuration, and has no state to save.

    Args:
        validator: the evaluator that the training validates with. Its key metric is the score.
        patience: validations without improvement before the training ends.
        interval: epochs between validations.
    """

    def __init__(self, validator: Evaluator, *, patience: int, interval: int = 1) -> None:
        self.validator = validator
        self.interval = interval
        self._rule = EarlyStopping(patience=patience, score_function=self._score, trainer=_NO_ENGINE)

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer, and stop that one."""
        self._rule.trainer = engine
        engine.add_event_handler(Events.EPOCH_STARTED, self._stop_at_once)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self._rule)

    def state_dict(self) -> Mapping[str, Any]:
        """The best score so far and how long ago it was."""
        return self._rule.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up the state of an earlier run."""
        self._rule.load_state_dict(state_dict)

    def _stop_at_once(self, engine: Engine) -> None:
        """End a training that is resumed though its patience was over; a longer patience lets it go on."""
        if self._rule.counter >= self._rule.patience:
            engine.terminate()

    def _score(self, engine: Engine) -> float:  # noqa: ARG002 - Ignite passes the trainer, the score is the validator's
        return float(self.validator.state.metrics[self.validator.state.key_metric_name])


class ValidateInTime:
    """Validates at every so many epochs, and after the last one, whatever ends the training.

    MONAI's `ValidationHandler` leaves the weights of a training that ends in between unvalidated, and so unsaved.

    Args:
        validator: the evaluator.
        interval: epochs between validations.
    """

    def __init__(self, validator: Evaluator, *, interval: int = 1) -> None:
        if interval < 1:
            raise ConfigError(f"`val_interval` must be at least 1 epoch, got {interval}")
        self.validator = validator
        self.interval = interval

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Validate, if it is time."""
        is_last = bool(engine.should_terminate) or engine.state.epoch == engine.state.max_epochs
        if is_last or engine.state.epoch % self.interval == 0:
            self.validator.run(engine.state.epoch)


class MetricsRecord:
    """Writes an evaluator's metrics as JSON when it has finished.

    Args:
        path: the file. Values that are not numbers (NaN: nothing counted) become null.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def attach(self, engine: Engine) -> None:
        """Listen to an evaluator. Only the first process writes."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the record."""
        if idist.get_rank() > 0:
            return
        metrics = {name: float(value) for name, value in engine.state.metrics.items()}
        record = {name: None if np.isnan(value) else value for name, value in metrics.items()}
        write_json(self.path, record)


class StopOnNan:
    """Raises an error when the loss is no longer finite, before it spoils a checkpoint.

    Attach before the handlers that validate and save.

    Args:
        every: iterations between checks, besides one at the end of each epoch. A GPU has to wait for each.
    """

    def __init__(self, every: int = 20) -> None:
        self.every = every

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer."""
        regular: CallableEventWithFilter = Events.ITERATION_COMPLETED(every=self.every)
        engine.add_event_handler(regular | Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Check the last loss.

        Raises:
            PipelineError: it is NaN or infinite.
        """
        loss = float(loss_of(cast(Mapping[str, Any], engine.state.output)))
        if not math.isfinite(loss):
            raise PipelineError(
                f"the loss is {loss} at iteration {engine.state.iteration}: lower `learning_rate`, or look for "
                "images without contrast or labels out of place"
            )
