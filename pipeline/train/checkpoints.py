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

from pipeline.core.errors import BundleError, ConfigError
from pipeline.infer.digests import state_digest
from pipeline.infer.weights import save_whole

__all__ = ["KeptWeights", "ResumePoint"]

_log = logging.getLogger(__name__)


class KeptWeights:
    """Saves an evaluator's network: the best so far by its key metric, or the last.

    The file holds the bare state dict, because `monai.bundle.load` silently leaves a network untrained when the weights
    are under an unexpected key. It is replaced atomically, so a kill or a full disk leaves the previous one.

    Args:
        path: the file.
        network: the module whose weights are saved.
        keep: "best" or "last". With "last" nothing is chosen on the validation patients, so the scores on them are an
            honest estimate.
        bundle_root: the bundle's folder. Weights saved inside it are stated in its metadata by their SHA-256.

    Raises:
        ConfigError: `keep` is neither.
    """

    def __init__(
        self, path: str, network: torch.nn.Module, *, keep: str = "best", bundle_root: str | None = None
    ) -> None:
        if keep not in ("best", "last"):
            raise ConfigError(f"`keep` must be best or last, got {keep!r}")
        self.path = Path(path)
        self.network = network
        self.keep = keep
        self.best: float | None = None
        self._root = None if bundle_root is None else Path(bundle_root)

    def attach(self, engine: Engine) -> None:
        """Listen to an evaluator. Attach behind its metrics."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Evaluator) -> None:
        """Save the weights if they are to be kept. In a distributed run only the first process writes.

        A score of NaN (nothing could be scored) is worse than any other, but the first weights are always saved.
        """
        score = float(engine.state.metrics[engine.state.key_metric_name])
        score = -math.inf if math.isnan(score) else score
        is_better = self.best is None or score > self.best
        self.best = score if self.best is None else max(score, self.best)
        if idist.get_rank() > 0 or not (is_better or self.keep == "last"):
            return
        save_whole(self.network.state_dict(), self.path)
        if self._root is not None:
            state_digest(self._root, self.path)

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
        """Restore all states. `max_epochs` stays as configured now.

        Raises:
            BundleError: the file lacks one of the objects, as after a change of the configuration.
        """
        states = torch.load(self.path, map_location="cpu", weights_only=True)
        missing = sorted(set(self.objects) - set(states))
        if missing:
            raise BundleError(f"cannot resume: {self.path} has no state of {missing}; start again without `resume`")
        max_epochs = engine.state.max_epochs
        for name, item in self.objects.items():
            item.load_state_dict(states[name])
        engine.state.max_epochs = max_epochs
        _log.info("resumed from %s after epoch %d", self.path, engine.state.epoch)
