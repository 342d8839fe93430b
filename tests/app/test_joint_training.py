"""`cmr train --processes`: two processes train what one does, and what befalls one is said in a sentence."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from pipeline.app import cli, joint_training
from pipeline.core.errors import ConfigError, PipelineError
from pipeline.phantom.dataset import write_dataset
from tests.forks import LIBRARIES

from .test_training import SCAN, SETTINGS

SETTINGS = SETTINGS | {"val_fraction": 0.5}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joint") / "patients"
    write_dataset(folder, n_patients=4, **SCAN)
    return folder


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that have their libraries already; users' are started anew and take seconds to import them."""
    get_context("forkserver").set_forkserver_preload(LIBRARIES)
    launch = partial(joint_training.LaunchConfig, start_method="forkserver")
    monkeypatch.setattr(joint_training, "LaunchConfig", launch)


def _train(out: Path, *options: str, **settings: Any) -> str:
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    result = CliRunner().invoke(cli.app, ["train", "-o", str(out), *options, *given], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_two_processes_train_as_one_and_go_on(data: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    runs = {n: tmp_path / str(n) for n in (1, 2)}
    for n, out in runs.items():
        said = _train(out, "--data", str(data), "--processes", str(n), **SETTINGS)
        assert f"{out} is trained to epoch 2" in said
    one, two = (torch.load(out / "eval" / "last.pt", weights_only=True) for out in runs.values())
    assert one["trainer"]["iteration"] == two["trainer"]["iteration"]
    for name, weights in one["model"].items():
        if weights.ndim > 1:  # biases are normalised away: their gradient is what rounding leaves
            assert (two["model"][name] - weights).norm() <= 0.01 * weights.norm(), name
    scores = [json.loads((out / "eval" / "validation.json").read_text()) for out in runs.values()]
    assert scores[1] == pytest.approx(scores[0], abs=0.02, nan_ok=True)
    assert "is trained to epoch 3" in _train(runs[2], "--resume", "--processes", "2", epochs=3)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_processes_cannot_share_is_said(data: Path, tmp_path: Path) -> None:
    def fails(out: str, **settings: Any) -> Callable[[], str]:
        return lambda: _train(tmp_path / out, "--data", str(data), "--processes", "2", **SETTINGS | settings)

    with pytest.raises(ConfigError, match="`batch_size` must be a multiple of the number of processes"):
        fails("batch", batch_size=3)()
    with pytest.raises(PipelineError, match="part of the volumes to validate on, and 1 are too few for 2 processes"):
        fails("few", val_fraction=0.25)()


def test_a_process_that_is_killed_ends_the_others(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_training, "_train_share", _kill_the_second)
    with pytest.raises(PipelineError, match=r"a process of the training failed: .*SIGKILL.*`--resume` goes on"):
        _train(tmp_path / "run", "--data", str(data), "--processes", "2", **SETTINGS)


def _kill_the_second(*_: object) -> None:
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    signal.sigtimedwait([], 30)
