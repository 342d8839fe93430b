"""Checkpoints from which a killed training goes on exactly as if it had not been killed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from monai.handlers import CheckpointSaver

from pipeline.core.errors import BundleError
from pipeline.train.digests import check_digest, state_digest

__all__ = ["BestCheckpoint", "ResumePoint", "load_weights", "read_weights"]

_log = logging.getLogger(__name__)


class BestCheckpoint(CheckpointSaver):
    """MONAI's saver of the best model, with a state of its own, so that a resumed run keeps the best so far.

    The file holds the bare state dict: `monai.bundle.load` leaves a network untrained, silently, where the weights
    lie under a key that it is not told.

    Args:
        save_dir: folder of the file.
        network: the module whose weights are saved.
        filename: name of the one file kept.
        bundle_root: the bundle's folder; weights saved inside it are stated in its metadata by their SHA-256.
    """

    def __init__(
        self,
        save_dir: str,
        network: torch.nn.Module,
        *,
        filename: str = "model.pt",
        bundle_root: str | None = None,
    ) -> None:
        super().__init__(
            save_dir=save_dir,
            save_dict={"model": network},
            save_key_metric=True,
            key_metric_filename=filename,
        )
        self._weights = Path(save_dir) / filename
        self._root = None if bundle_root is None else Path(bundle_root)

    def metrics_completed(self, engine: Engine) -> None:
        """Save the weights if they are the best so far."""
        super().metrics_completed(engine)
        if self._root is not None and idist.get_rank() == 0 and self._weights.is_file():
            state_digest(self._root, self._weights)

    def state_dict(self) -> Mapping[str, Any]:
        """The score of the best model so far; `load_state_dict`, inherited, takes it up again."""
        return self._key_metric_checkpoint.state_dict() if self._key_metric_checkpoint else {}


class ResumePoint:
    """Saves everything a training needs to go on, once an epoch and atomically, and loads it back at the start.

    Args:
        path: the checkpoint file; replaced as a whole, so that a kill while writing loses one epoch at the most.
        objects: name -> anything with `state_dict` and `load_state_dict`: network, optimizer, schedule...; the trainer
            it is attached to comes with them.
        resume: load `path` when the engine starts; a missing file starts from scratch.
    """

    def __init__(self, path: str, objects: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.resume = resume

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer; attach last, so that validation of the epoch is already part of what is saved."""
        self.objects["trainer"] = engine
        if self.resume and self.path.exists():
            engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:  # noqa: ARG002 - Ignite passes the engine, which is among the objects
        """Write all states; in a distributed run the first process alone writes."""
        if idist.get_rank() > 0:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        torch.save({name: item.state_dict() for name, item in self.objects.items()}, partial)
        partial.replace(self.path)

    def load(self, engine: Engine) -> None:
        """Restore all states; `max_epochs` stays as the present configuration has it.

        Raises:
            BundleError: the file lacks one of the objects, as after a change of the configuration.
        """
        states = torch.load(self.path, map_location="cpu", weights_only=True)
        missing = sorted(set(self.objects) - set(states))
        if missing:
            raise BundleError(f"cannot resume: {self.path} holds no state of {missing}; start anew without `resume`")
        max_epochs = engine.state.max_epochs
        for name, item in self.objects.items():
            item.load_state_dict(states[name])
        engine.state.max_epochs = max_epochs
        _log.info("resumed from %s after epoch %d", self.path, engine.state.epoch)


def load_weights(
    network: torch.nn.Module, path: str | Path, *, bundle_root: str | Path | None = None
) -> torch.nn.Module:
    """Load a bundle's weights into a network, strictly, without unpickling code.

    Args:
        network: receives the weights in place.
        path: a file with a bare state dict, or one under the key "model"; half precision becomes the network's own.
        bundle_root: the bundle's folder; where its metadata state the file's SHA-256, it must be that one.

    Returns:
        The same network.

    Raises:
        BundleError: the file is missing, damaged, no weights file, or belongs to another network.
    """
    states = read_weights(path, bundle_root=bundle_root)
    try:
        network.load_state_dict(states)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"weights at {path} do not fit the bundle's network: {reason}") from error
    return network


def read_weights(path: str | Path, *, bundle_root: str | Path | None = None) -> dict[str, torch.Tensor]:
    """Read a weights file, see `load_weights`: name of each tensor -> tensor, on the CPU.

    Raises:
        BundleError: the file is missing, damaged, or no weights file.
    """
    if not Path(path).is_file():
        raise BundleError(f"the bundle holds no weights at {path}: train it first, or install a bundle that has them")
    if bundle_root is not None:
        check_digest(Path(bundle_root), Path(path))
    try:
        states: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return dict(states.get("model", states))
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"no weights can be read from {path}: {reason}") from error
