"""A cross-validation: a network for each fold, and what each says of the patients it has never seen."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from monai.data import MetaTensor

from pipeline.app.bundles import copy_bundle, open_workflow
from pipeline.app.checks import check_training, require_sound_data
from pipeline.core.geometry import Grid
from pipeline.evaluate.evaluation import write_evaluation
from pipeline.evaluate.scores import VolumeScore, score_volume

__all__ = ["Training", "cross_validate"]

_log = logging.getLogger(__name__)
_SCORES = "out_of_fold.json"


@dataclass(frozen=True)
class Training:
    """What is trained on what.

    Attributes:
        bundle: folder of the bundle to train.
        data: data set or pack.
        settings: id -> value, a user's.
        code: id -> entry, the program's own, as of a network by name.
    """

    bundle: Path
    data: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)


def cross_validate(training: Training, out: Path, *, n_folds: int, minutes: float | None = None) -> list[VolumeScore]:
    """Train a network for each fold, and score each patient by the network that never saw them.

    A fold's weights are the last ones, not those best on the patients that it is then judged by. Scores are on the
    prepared slices around the heart; for those on each file's own grid, evaluate the folds' bundles on the images.
    What is finished is not done again, and a fold that was broken off goes on, so the command can be repeated.

    Args:
        training: what is trained on what.
        out: receives `fold0`, `fold1` ..., each a bundle, with `eval/predictions.npz` (patient_phase -> labels (Z, X,
            Y)); and the evaluation over all folds, `volumes.csv`, `patients.csv`, `summary.json`, `evaluation.html`.
        n_folds: number of folds.
        minutes: for all folds together, each getting its part of what is left; `None` trains each to its last epoch.

    Returns:
        The scores of all patients.

    Raises:
        ConfigError: the training cannot be as it is set.
        DatasetError: the data do not pass `read.gate`.
    """
    check_training(training.bundle, {**training.settings, "n_folds": n_folds}, training.code)
    require_sound_data(training.data, training.settings)
    end = None if minutes is None else time.monotonic() + 60.0 * minutes
    scores: list[VolumeScore] = []
    for fold in range(n_folds):
        root = out / f"fold{fold}"
        record = root / "eval" / _SCORES
        if not record.is_file():
            share = None if end is None else max((end - time.monotonic()) / 60.0 / (n_folds - fold), 0.01)
            own = {"n_folds": n_folds, "fold": fold, "keep": "last", "max_minutes": share}
            _write_out_of_fold(record, *_predict_validation(_train(training, root, own)))
        rows = json.loads(record.read_text(encoding="utf-8"))
        scores += [VolumeScore(**row) for row in rows]
        _log.info("fold %d of %d: %d scores", fold + 1, n_folds, len(rows))
    write_evaluation(out, scores, title=f"{out.resolve().name}: {n_folds} folds, out of fold")
    return scores


def _train(training: Training, root: Path, own: Mapping[str, Any]) -> ConfigWorkflow:
    """Train one fold, from where it was broken off."""
    copy_bundle(training.bundle, root, {**training.settings, **own}, code=training.code)
    overrides = {"dataset_dir": str(training.data), "resume": True}
    workflow = open_workflow(root, config="train", run_id="training", overrides=overrides)
    workflow.run()
    workflow.finalize()
    return workflow


def _predict_validation(workflow: ConfigWorkflow) -> tuple[list[VolumeScore], dict[str, np.ndarray]]:
    """Score a finished training's validation patients by the weights that it keeps; labels (Z, X, Y) by name."""
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
    np.savez_compressed(record.with_name("predictions.npz"), **predictions)  # type: ignore[arg-type]
    partial = record.with_suffix(".partial")
    partial.write_text(json.dumps([asdict(score) for score in scores]), encoding="utf-8")
    partial.replace(record)
