"""Checkpoints from which an interrupted training resumes exactly as if it had not been interrupted."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.core.errors import BundleError, ConfigError, first_line
from pipeline.core.files import write_json
from pipeline.infer.weights import replace_weights, save_whole

__all__ = ["KeptWeights", "ResumePoint", "read_checkpoint"]

_log = logging.getLogger(__name__)


class KeptWeights:
    """Saves an evaluator's network: the best so far by its key metric, or the last.

    The file holds the bare state dict, because `monai.bundle.load` silently leaves a network untrained when the weights
    are under an unexpected key. It is replaced atomically, so a kill or a full disk leaves the previous one.

    Args:
        path: the file.
        network: the module whose weights are saved.
        keep: "best", or "last": then no choice is made on the patients validated on, and what the network reaches on
            them is an honest estimate.
        bundle_root: the bundle's folder; weights saved inside it are stated in its metadata by their SHA-256.
        record: JSON file that receives the epoch and the metrics of the weights saved; `None` writes none.

    Raises:
        ConfigError: `keep` is neither.
    """

    def __init__(
        self,
        path: str,
        network: torch.nn.Module,
        *,
        keep: str = "best",
        bundle_root: str | None = None,
        record: str | None = None,
    ) -> None:
        if keep not in ("best", "last"):
            raise ConfigError(f"`keep` must be best or last, got {keep!r}")
        self.path = Path(path)
        self.network = network
        self.keep = keep
        self.best: float | None = None
        self._root = None if bundle_root is None else Path(bundle_root)
        self._record = None if record is None else Path(record)

    def attach(self, engine: Engine) -> None:
        """Listen to an evaluator. Attach behind its metrics."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Evaluator) -> None:
        """Save the weights if they are to be kept. In a distributed run only the first process writes.

        A score of NaN, where nothing could be scored, is worse than any: but the first weights are always saved, and
        so are the next ones where the file has gone.
        """
        score = float(engine.state.metrics[engine.state.key_metric_name])
        score = -math.inf if math.isnan(score) else score
        is_better = self.best is None or score > self.best
        self.best = score if self.best is None else max(score, self.best)
        if idist.get_rank() > 0 or not (is_better or self.keep == "last" or not self.path.is_file()):
            return
        replace_weights(self.network.state_dict(), self.path, bundle_root=self._root)
        if self._record is not None:
            metrics = {name: float(value) for name, value in engine.state.metrics.items()}
            finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
            write_json(self._record, {"epoch": engine.state.epoch, "keep": self.keep, "metrics": finite})

    def state_dict(self) -> Mapping[str, Any]:
        """The score of the best weights so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up the score of an earlier run."""
        self.best = state_dict["best"]


class ResumePoint:
    """Saves everything a training needs to resume, once an epoch and atomically, and loads it at the start.

    Args:
        path: the checkpoint file, replaced atomically, so a kill while writing loses at most one epoch.
        objects: name -> anything with `state_dict` and `load_state_dict`: network, optimizer, schedule.... The trainer
            it is attached to comes with them.
        resume: load `path` when the engine starts. A missing file starts from scratch.
    """

    def __init__(self, path: str, objects: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.resume = resume

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer. Attach last, so that the validation of the epoch is saved, too."""
        self.objects["trainer"] = engine
        if self.resume and self.path.exists():
            engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:  # noqa: ARG002 - Ignite passes the engine, which is among the objects
        """Write all states. In a distributed run only the first process writes."""
        if idist.get_rank() > 0:
            return
        save_whole({name: item.state_dict() for name, item in self.objects.items()}, self.path)

    def load(self, engine: Engine) -> None:
        """Restore all states, but not what the present configuration says: `max_epochs`, rates and other settings.

        Raises:
            BundleError: the file cannot be read, lacks one of the objects, or holds another network's states.
        """
        states = read_checkpoint(self.path)
        missing = sorted(set(self.objects) - set(states))
        if missing:
            raise BundleError(f"cannot resume: {self.path} has no state of {missing}; start again without `resume`")
        max_epochs = engine.state.max_epochs
        groups = {name: _settings_of(item) for name, item in self.objects.items() if isinstance(item, Optimizer)}
        rates = {name: list(item.base_lrs) for name, item in self.objects.items() if isinstance(item, LambdaLR)}
        for name, item in self.objects.items():
            try:
                item.load_state_dict(states[name])
            except (RuntimeError, ValueError, KeyError) as error:
                message = f"cannot resume: the state of `{name}` in {self.path} does not fit: {first_line(error)}"
                raise BundleError(message) from error
        engine.state.max_epochs = max_epochs
        for name, settings in groups.items():
            for group, own in zip(self.objects[name].param_groups, settings, strict=True):
                group.update(own)
        for name, base in rates.items():
            _set_rates(self.objects[name], base)
        _log.info("resumed from %s after epoch %d", self.path, engine.state.epoch)


def read_checkpoint(path: Path, *, in_place: bool = False) -> dict[str, Any]:
    """The states that `ResumePoint` saved, by name, on the CPU.

    Args:
        path: the checkpoint file.
        in_place: leave tensors in the file, for those who look at something small and let all go.

    Raises:
        BundleError: the file cannot be read.
    """
    try:
        states: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=in_place)
        return dict(states)
    except Exception as error:  # zip, pickle, torch: each has errors of its own
        reason = first_line(error)
        raise BundleError(f"cannot resume: {path} cannot be read ({reason}); start anew without `resume`") from error


def _settings_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """What a configuration says of each group of parameters."""
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def _set_rates(schedule: LambdaLR, base: list[float | torch.Tensor]) -> None:
    """Let a schedule go on from where it is with these base rates; the same ones change nothing, to the last bit."""
    schedule.base_lrs = base
    for group, rate, factor in zip(schedule.optimizer.param_groups, base, schedule.lr_lambdas, strict=True):
        group["lr"] = rate * factor(schedule.last_epoch)
    schedule._last_lr = [group["lr"] for group in schedule.optimizer.param_groups]
