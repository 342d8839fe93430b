"""The classical baseline has a way in: trained and judged on the patients that a network would be."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipeline.app.baseline import ForestNetwork, evaluate_baseline
from pipeline.app.cli import app
from pipeline.classical.forest import PixelForest
from pipeline.core.errors import ConfigError
from pipeline.evaluate.compare import compare_evaluations
from pipeline.phantom.dataset import write_dataset
from pipeline.read.datasets import load_datalist
from pipeline.train.splits import split_patients

SETTINGS = {"spacing_mm": [4.0, 4.0, -1], "window": [48, 48], "n4": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("baseline") / "data"
    write_dataset(folder, n_patients=5, n_phases=2, n_slices=4, size=48, pixel_mm=4.0, step_mm=20.0)
    return folder


def test_votes_stand_in_the_place_of_logits() -> None:
    half = np.zeros((16, 16), dtype=np.uint8)
    half[8:] = 2
    image = half * 10.0 + np.random.default_rng(0).normal(0, 0.1, half.shape)
    forest = PixelForest(n_trees=10, sigma_max=2.0).fit([(image, half)])
    windows = torch.from_numpy(np.stack([np.zeros_like(image), image, np.zeros_like(image)])[None]).float()
    logits = ForestNetwork(forest, 4)(windows)  # the neighbours of the middle slice are no part of it
    assert (logits.shape, logits.dtype) == ((1, 4, 16, 16), torch.float32)
    assert (logits.argmax(dim=1)[0].numpy() == half).mean() > 0.98
    assert logits[:, [1, 3]].max() == pytest.approx(np.log(1e-3))  # classes that it never met
    total = logits.exp()[:, [0, 2]].sum(dim=1)
    assert torch.all((total >= 0.999) & (total <= 1.002))


def test_the_command_scores_the_patients_whom_a_training_keeps_aside(data: Path, tmp_path: Path) -> None:
    options = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    result = CliRunner().invoke(app, ["baseline", str(data), str(tmp_path), "--trees", "20", *options])
    assert result.exit_code == 0, result.exception
    training, validation = split_patients(load_datalist(data))
    split = json.loads((tmp_path / "run.json").read_text())["split"]
    assert split == {
        side: sorted({case["patient"] for case in cases})
        for side, cases in (("train", training), ("validation", validation))
    }
    with (tmp_path / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["patient"] for row in rows} == set(split["validation"])
    cavity = [float(row["dice"]) for row in rows if row["structure"] == "left_ventricle"]
    assert len(cavity) == 2
    assert min(cavity) > 0.5  # bright blood in a phantom: it learned something
    assert f"left ventricle  all      2{np.mean(cavity):8.3f}" in result.stdout
    assert {"evaluation.html", "summary.json", "patients.csv"} <= {path.name for path in tmp_path.iterdir()}
    assert "mean" in compare_evaluations(tmp_path, tmp_path)


def test_a_setting_that_does_not_exist_is_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n5"):
        evaluate_baseline(data, tmp_path / "out", overrides={"n5": True})
    assert not (tmp_path / "out").exists()
