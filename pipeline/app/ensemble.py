"""Combine trained bundles, such as the folds of a cross-validation, into one bundle that averages them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from pipeline.app.bundles import apply_overrides, copy_bundle, find_bundle
from pipeline.app.card import write_card
from pipeline.app.configs import read_configs
from pipeline.app.preparation import describe_inference
from pipeline.core.case import TRAINING_RUN
from pipeline.core.errors import ConfigError
from pipeline.core.files import write_json
from pipeline.infer.weights import read_weights, replace_weights
from pipeline.prepare.description import first_difference

__all__ = ["make_ensemble"]


def make_ensemble(runs: Sequence[Path], out: Path) -> Path:
    """Write a bundle whose network is the mean of other bundles' networks.

    All other settings are those of the first. It evaluates, segments and is packaged like any bundle, and takes as long
    as its members together.

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
    parsers = [_open(run) for run in runs]
    first, *others = [describe_inference(parser) for parser in parsers]
    for run, described in zip(runs[1:], others, strict=True):
        difference = first_difference(first, described, place="inference")
        if difference is not None:
            raise ConfigError(f"{runs[0]} and {run} cannot be averaged: {difference}")
    states = {
        f"members.{index}.{name}": value
        for index, run in enumerate(runs)
        for name, value in read_weights(run / "models" / "model.pt", bundle_root=run).items()
    }
    network = {
        "_target_": "pipeline.parts.Ensemble",
        "members": [parser["network_def"] for parser in parsers],
    }
    copy_bundle(runs[0], out, code={"network_def": network})
    replace_weights(states, out / "models" / "model.pt", bundle_root=out)
    _tell_members(out, runs)
    return out


def _tell_members(out: Path, runs: Sequence[Path]) -> None:
    """Let the ensemble's metadata and card say what it is the mean of, and what those were trained on."""
    data = {str(_metadata(run).get("data_source", "not stated")): None for run in runs}
    members = [str(_metadata(run).get(TRAINING_RUN)) for run in runs]
    own = _metadata(out) | {
        TRAINING_RUN: " + ".join(members),
        "description": f"The mean of {len(runs)} bundles: {', '.join(run.resolve().name for run in runs)}.",
        "data_source": "; ".join(data),
    }
    write_json(out / "configs" / "metadata.json", own, indent=4)
    write_card(out)


def _metadata(bundle: Path) -> dict[str, Any]:
    return read_configs(bundle).get("metadata", {})


def _open(run: Path) -> ConfigParser:
    root = find_bundle(run)
    parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "inference.json")]))
    apply_overrides(parser, {"bundle_root": str(root)})
    return parser
