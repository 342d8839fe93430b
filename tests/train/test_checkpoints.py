"""Checkpoints: atomic, complete, and refused with a reason where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer

from pipeline.core.errors import BundleError
from pipeline.train.checkpoints import BestCheckpoint, ResumePoint, load_weights


def _engine() -> Engine:
    network = torch.nn.Linear(1, 1)
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=3,
        train_data_loader=[{"image": torch.zeros(1, 1), "label": torch.zeros(1, 1)}],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=torch.nn.MSELoss(),
        decollate=False,
    )


def test_best_checkpoint_keeps_the_best_across_a_resume(tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1, bias=False)

    def validate(saver: BestCheckpoint, weight: float, score: float) -> float:
        torch.nn.init.constant_(network.weight, weight)
        engine = _engine()
        engine.state.key_metric_name = "dice_mean"
        engine.state.metrics = {"dice_mean": score}
        saver.metrics_completed(engine)
        return torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item()

    saver = BestCheckpoint(str(tmp_path), network)
    assert validate(saver, 1.0, 0.5) == 1.0
    assert validate(saver, 2.0, 0.7) == 2.0
    assert validate(saver, 3.0, 0.6) == 2.0
    torch.save(saver.state_dict(), tmp_path / "state.pt")
    resumed = BestCheckpoint(str(tmp_path), network)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert validate(resumed, 4.0, 0.65) == 2.0
    assert validate(resumed, 5.0, 0.8) == 5.0


def test_resume_point_restores_and_keeps_the_new_max_epochs(tmp_path: Path) -> None:
    path = tmp_path / "run" / "last.pt"
    first = _engine()
    ResumePoint(str(path), {"model": first.network, "optimizer": first.optimizer}).attach(first)
    first.run()
    second = _engine()
    second.state.max_epochs = 5
    objects = {"model": second.network, "optimizer": second.optimizer}
    ResumePoint(str(path), objects, resume=True).attach(second)
    epochs = []
    second.add_event_handler(Events.EPOCH_STARTED, lambda engine: epochs.append(engine.state.epoch))
    second.run()
    assert epochs == [4, 5]
    assert not list(path.parent.glob("*.partial"))


def test_resume_point_names_what_is_missing(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "last.pt")
    engine = _engine()
    ResumePoint(
        str(tmp_path / "last.pt"), {"model": engine.network, "optimizer": engine.optimizer}, resume=True
    ).attach(engine)
    with pytest.raises(BundleError, match="optimizer"):
        engine.run()


def test_load_weights_refuses_what_does_not_fit(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 3)
    with pytest.raises(BundleError, match="holds no weights"):
        load_weights(network, tmp_path / "model.pt")
    torch.save({"model": torch.nn.Linear(2, 4).state_dict()}, tmp_path / "model.pt")
    with pytest.raises(BundleError, match="do not fit"):
        load_weights(network, tmp_path / "model.pt")
    torch.save({"model": network.state_dict()}, tmp_path / "good.pt")
    other = load_weights(torch.nn.Linear(2, 3), tmp_path / "good.pt")
    torch.testing.assert_close(other.weight, network.weight)
