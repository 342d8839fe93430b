"""A training killed and resumed reaches the very weights of one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.app.bundles import copy_bundle, find_bundle, run_workflow
from pipeline.phantom.dataset import write_dataset

SETTINGS = {
    "network_def#channels": [4, 8],
    "network_def#strides": [2],
    "batch_size": 4,
    "window": [32, 32],
    "spacing_mm": [8.0, 8.0, -1],
    "val_interval": 1,
    "epochs": 4,
}


class _KilledError(RuntimeError):
    pass


@pytest.mark.slow
def test_exact_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    write_dataset(data, n_patients=3, n_phases=2, n_slices=4, size=32, pixel_mm=8.0, step_mm=20.0)

    def train(name: str, *, resume: bool = False) -> None:
        root = copy_bundle(find_bundle("ventricles_mr_segmentation_unet"), tmp_path / name, SETTINGS)
        overrides = {"dataset_dir": str(data), "resume": resume}
        run_workflow(root, config="train", run_id="training", overrides=overrides)

    def state(name: str) -> dict:
        return torch.load(tmp_path / name / "eval" / "last.pt", weights_only=True)

    train("whole")
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.train.augment.AugmentBatch.__call__", _dies_after(9))
        with pytest.raises(RuntimeError):
            train("killed")
    assert 0 < state("killed")["trainer"]["iteration"] < state("whole")["trainer"]["iteration"]
    torch.rand(5)  # what else a new process may have drawn
    train("killed", resume=True)
    whole, resumed = state("whole"), state("killed")
    assert whole["trainer"]["iteration"] == resumed["trainer"]["iteration"]
    for name, value in whole["model"].items():
        assert torch.equal(value, resumed["model"][name]), name
    assert whole["best"] == resumed["best"]
    assert whole["lr_scheduler"]["last_epoch"] == resumed["lr_scheduler"]["last_epoch"]


def _dies_after(n_batches: int):
    from pipeline.train.augment import AugmentBatch

    original, left = AugmentBatch.__call__, [n_batches]

    def call(self, image, label):
        left[0] -= 1
        if left[0] < 0:
            raise _KilledError
        return original(self, image, label)

    return call
