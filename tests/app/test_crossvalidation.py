"""Every patient is scored by a network that never saw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app.bundles import find_bundle
from pipeline.app.cli import app
from pipeline.app.crossvalidation import Training, cross_validate
from pipeline.core.errors import ConfigError, DatasetError
from pipeline.evaluate.scores import VolumeScore
from pipeline.phantom.dataset import write_dataset

SETTINGS = {
    "network_def#channels": [4, 8],
    "network_def#strides": [2],
    "batch_size": 4,
    "window": [32, 32],
    "spacing_mm": [8.0, 8.0, -1],
    "n4": False,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds") / "data"
    write_dataset(folder, n_patients=4, n_phases=2, n_slices=4, size=32, pixel_mm=8.0, step_mm=20.0)
    return folder


def _training(data: Path, **settings: Any) -> Training:
    return Training(find_bundle("ventricles_mr_segmentation_unet"), data, SETTINGS | settings)


@pytest.fixture(scope="module")
def validated(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[VolumeScore]]:
    """A cross-validation of two folds, which no test changes: its folder and scores."""
    out = tmp_path_factory.mktemp("validated") / "out"
    return out, cross_validate(_training(data, epochs=1), out, n_folds=2)


def test_folds_cover_all_patients_once_and_are_not_trained_twice(
    data: Path, validated: tuple[Path, list[VolumeScore]]
) -> None:
    out, scores = validated
    volumes = {(score.patient, score.volume) for score in scores}
    assert len(scores) == 3 * len(volumes) == 3 * 4 * 2
    for fold in (0, 1):
        split = json.loads((out / f"fold{fold}" / "eval" / "run.json").read_text())["split"]
        with np.load(out / f"fold{fold}" / "eval" / "predictions.npz") as predictions:
            assert {name.rsplit("_", 1)[0] for name in predictions} == set(split["validation"])
            assert {labels.shape for labels in predictions.values()} == {(4, 40, 40)}
        assert not set(split["validation"]) & set(split["train"])
    assert (out / "evaluation.html").is_file()
    weights = out / "fold0" / "models" / "model.pt"
    before = weights.stat().st_mtime_ns
    assert cross_validate(_training(data, epochs=1), out, n_folds=2) == scores
    assert weights.stat().st_mtime_ns == before


def test_folds_are_trained_alike_and_on_one_data_set_or_the_command_is_refused(
    data: Path, validated: tuple[Path, list[VolumeScore]], tmp_path: Path
) -> None:
    (out, _), others = validated, tmp_path / "others"
    write_dataset(others, n_patients=4, n_phases=2, n_slices=4, size=32, pixel_mm=7.0, step_mm=20.0)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for source, settings, n_folds, words in (
        (data, {"epochs": 2}, 2, "has 1 for `epochs`, not 2"),
        (data, {"epochs": 1, "batch_size": 2}, 2, "`batch_size`"),
        (data, {"epochs": 1}, 3, "`n_folds`"),
        (others, {"epochs": 1}, 2, "other images or labels"),
    ):
        with pytest.raises((ConfigError, DatasetError), match=words):
            cross_validate(_training(source, **settings), out, n_folds=n_folds)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_time_ends_it_with_weights_and_scores_of_every_fold(data: Path, tmp_path: Path) -> None:
    settings = SETTINGS | {"epochs": 100000, "patience": 100000}
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    arguments = ["crossvalidate", "--data", data, "-o", tmp_path, "--folds", 2, "--minutes", 0.1, *options]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.exception
    assert '"structure": "left_ventricle"' in result.output
    for fold in (0, 1):
        assert (tmp_path / f"fold{fold}" / "models" / "model.pt").is_file()
