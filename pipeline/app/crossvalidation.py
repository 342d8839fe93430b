"""Cross-validation: a network per fold, scored on the patients that it has never seen."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from monai.data import MetaTensor

from pipeline.app.checks import check_training
from pipeline.app.configs import change_configs, read_configs
from pipeline.app.resume import open_configuration, require_alike, require_own_data
from pipeline.app.training import Training, begin, go_on, has_begun, is_run, run_training
from pipeline.core.files import replacing, write_json
from pipeline.core.geometry import Grid
from pipeline.evaluate.evaluation import write_evaluation
from pipeline.evaluate.scores import VolumeScore, score_volume

__all__ = ["Training", "cross_validate"]

_log = logging.getLogger(__name__)
_SCORES = "out_of_fold.json"
_OWN = {"keep": "last"}
"""Settings of every fold: no choice is made on the patients that it is judged by."""


def cross_validate(training: Training, out: Path, *, n_folds: int, minutes: float | None = None) -> list[VolumeScore]:
    """Train a network for each fold, and score each patient by the network that never saw them.

    A fold's weights are the last ones, not those best on the patients that it is then judged by. Scores are on the
    prepared slices around the heart. For those on each file's own grid, evaluate the folds' bundles on the images.
    Finished folds are not repeated and an interrupted one is resumed, so the command can be run again.

    Args:
        training: bundle, data and settings.
        out: receives `fold0`, `fold1` ..., each a bundle, with `eval/predictions.npz` (patient_phase -> labels (Z, X,
            Y)), and the evaluation over all folds, `volumes.csv`, `patients.csv`, `summary.json`, `evaluation.html`.
        n_folds: number of folds.
        minutes: for all folds together, each with its share of what is left. `None` trains each to its last epoch.

    Returns:
        The scores of all patients.

    Raises:
        ConfigError: the training cannot be as it is set, or folds that are there were trained otherwise.
        DatasetError: the data do not pass `read.gate`, or folds that are there were trained on others.
    """
    _check(training, out, n_folds)
    end = None if minutes is None else time.monotonic() + 60.0 * minutes
    scores: list[VolumeScore] = []
    for fold in range(n_folds):
        root = out / f"fold{fold}"
        record = root / "eval" / _SCORES
        if not record.is_file():
            share = None if end is None else max((end - time.monotonic()) / 60.0 / (n_folds - fold), 0.01)
            own = {**_OWN, "n_folds": n_folds, "fold": fold, "max_minutes": share}
            _write_out_of_fold(record, *_predict_validation(_train(training, root, own)))
        rows = json.loads(record.read_text(encoding="utf-8"))
        scores += [VolumeScore(**row) for row in rows]
        _log.info("fold %d of %d: %d scores", fold + 1, n_folds, len(rows))
    write_evaluation(out, scores, title=f"{out.resolve().name}: {n_folds} folds, out of fold")
    return scores


def _check(training: Training, out: Path, n_folds: int) -> None:
    """Try the training, and look at the folds that are there: all must be trained alike, on the same data."""
    settings = {**training.settings, **_OWN, "n_folds": n_folds}
    roots = [out / f"fold{fold}" for fold in range(n_folds)]
    begun = [root for root in roots if is_run(root) and has_begun(root)]
    check_training(training.bundle, settings, training.code, data=training.data)
    configs = change_configs(training.bundle, settings, code=training.code)
    for root in begun:
        require_alike(root, configs)
        require_own_data(open_configuration(root, read_configs(root)["train"], training.data))


def _train(training: Training, root: Path, own: Mapping[str, Any]) -> ConfigWorkflow:
    """Train one fold, from where it was broken off."""
    fold = replace(training, settings={**training.settings, **own})
    workflow = (go_on if is_run(root) and has_begun(root) else begin)(fold, root)
    run_training(workflow, root)
    return workflow


def _predict_validation(workflow: ConfigWorkflow) -> tuple[list[VolumeScore], dict[str, np.ndarray]]:
    """Score a finished training's validation patients by its saved weights. Also gives labels (Z, X, Y) by name."""
    get = workflow.parser.get_parsed_content
    network, device = get("average").network.eval(), get("device")
    scores: list[VolumeScore] = []
    predictions: dict[str, np.ndarray] = {}
    for item in _items(get("validate#dataset")):
        with torch.inference_mode():
            logits = get("validate#inferer")(item["image"][None].to(device), network)[0].cpu()
        found = get("validate#postprocessing")({"pred": MetaTensor(logits, meta=item["image"].meta)})["pred"]
        truth, labels = (np.asarray(one)[0].astype(np.uint8) for one in (item["label"], found))
        grid = Grid((truth.shape[0], truth.shape[1], truth.shape[2]), np.asarray(item["image"].affine))
        scores += score_volume(truth, labels, grid, patient=item["patient"], volume=item["phase"])
        predictions[f"{item['patient']}_{item['phase']}"] = np.moveaxis(labels, -1, 0)
    return scores, predictions


def _items(dataset: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """A map-style data set, one item after the other."""
    return (dataset[index] for index in range(len(dataset)))


def _write_out_of_fold(record: Path, scores: Sequence[VolumeScore], predictions: Mapping[str, np.ndarray]) -> None:
    """The record comes last: with it the fold is finished."""
    with replacing(record.with_name("predictions.npz")) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, **predictions)  # type: ignore[arg-type]
    write_json(record, [asdict(score) for score in scores])
