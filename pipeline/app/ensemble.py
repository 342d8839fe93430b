"""Trained bundles, as the folds of a cross-validation, made into one bundle that averages them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.core.errors import ConfigError
from pipeline.train.checkpoints import read_weights
from pipeline.train.digests import state_digest

__all__ = ["make_ensemble"]

_PREPARATION = ("image_transforms", "spacing_mm", "n4", "normalisation", "training_mean", "window", "context")
_SHARED = (*_PREPARATION, "n_classes", "inferer")
"""What the members must agree on: they look at the same tensor, in 2D or 3D, and mean the same classes."""


def make_ensemble(runs: Sequence[Path], out: Path) -> Path:
    """Write a bundle whose network is the mean of other bundles' networks.

    It keeps the first one's settings in everything else, is evaluated, segments and is packaged like any bundle, and
    takes as long as its members together.

    Args:
        runs: folders of trained bundles, of one or of several networks.
        out: folder of the new bundle.

    Returns:
        `out`.

    Raises:
        ConfigError: fewer than two runs, runs that prepare images differently, or `out` is one of them.
        BundleError: a run that is no bundle, or has no weights.
    """
    if len(runs) < 2:
        raise ConfigError(f"an ensemble needs at least two runs, got {len(runs)}")
    if out.resolve() in {run.resolve() for run in runs}:
        raise ConfigError(f"the ensemble would replace one of its members: choose another folder than {out}")
    definitions = [_read_settings(run) for run in runs]
    for run, settings in zip(runs[1:], definitions[1:], strict=True):
        differing = [key for key in _SHARED if settings.get(key) != definitions[0].get(key)]
        if differing:
            raise ConfigError(f"{run} and {runs[0]} cannot be averaged: they differ in {differing}")
    states = {
        f"members.{index}.{name}": value
        for index, run in enumerate(runs)
        for name, value in read_weights(run / "models" / "model.pt", bundle_root=run).items()
    }
    network = {
        "_target_": "pipeline.parts.Ensemble",
        "members": [settings["network_def"] for settings in definitions],
    }
    copy_bundle(runs[0], out, code={"network_def": network})
    torch.save(states, out / "models" / "model.pt")
    state_digest(out, out / "models" / "model.pt")
    return out


def _read_settings(run: Path) -> dict[str, Any]:
    path = find_bundle(run) / "configs" / "inference.json"
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return settings
