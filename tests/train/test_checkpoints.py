"""Checkpoints: atomic, complete, and refused with a reason where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer

from pipeline.core.errors import BundleError, ConfigError
from pipeline.infer.weights import load_weights
from pipeline.train.checkpoints import KeptWeights, ResumePoint


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


def _validate(keeper: KeptWeights, weight: float, score: float) -> float:
    torch.nn.init.constant_(keeper.network.weight, weight)
    engine = _engine()
    engine.state.key_metric_name = "dice_mean"
    engine.state.metrics = {"dice_mean": score}
    keeper(engine)
    return torch.load(keeper.path, weights_only=True)["weight"].item()


def test_the_best_weights_are_kept_across_a_resume(tmp_path: Path) -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    keeper = KeptWeights(str(tmp_path / "model.pt"), network)
    assert _validate(keeper, 1.0, 0.5) == 1.0
    assert _validate(keeper, 2.0, 0.7) == 2.0
    assert _validate(keeper, 3.0, 0.6) == 2.0
    torch.save(keeper.state_dict(), tmp_path / "state.pt")
    resumed = KeptWeights(str(tmp_path / "model.pt"), network)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert _validate(resumed, 4.0, 0.65) == 2.0
    assert _validate(resumed, 5.0, 0.8) == 5.0


def test_the_first_weights_are_saved_even_if_nothing_could_be_scored(tmp_path: Path) -> None:
    keeper = KeptWeights(str(tmp_path / "model.pt"), torch.nn.Linear(1, 1, bias=False))
    assert _validate(keeper, 1.0, float("nan")) == 1.0
    assert _validate(keeper, 2.0, float("nan")) == 1.0
    assert _validate(keeper, 3.0, 0.1) == 3.0


def test_the_last_weights_are_kept_on_request(tmp_path: Path) -> None:
    keeper = KeptWeights(str(tmp_path / "model.pt"), torch.nn.Linear(1, 1, bias=False), keep="last")
    assert [_validate(keeper, weight, 1 / weight) for weight in (1.0, 2.0)] == [1.0, 2.0]
    with pytest.raises(ConfigError, match="best or last"):
        KeptWeights("model.pt", torch.nn.Linear(1, 1), keep="first")


def test_weights_that_cannot_be_saved_leave_the_ones_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = KeptWeights(str(tmp_path / "model.pt"), torch.nn.Linear(1, 1, bias=False))
    _validate(keeper, 1.0, 0.5)

    def fill_up(_states: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fill_up)
    with pytest.raises(OSError, match="No space"):
        _validate(keeper, 2.0, 0.9)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == 1.0


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
