"""Checkpoints: atomic, complete, and refused with a reason where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

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

    def fill_up(_states: object, stream: BinaryIO) -> None:
        stream.write(b"half")
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


def _scheduled(rate: float, *, decay: float = 0.0) -> tuple[Engine, dict[str, object]]:
    """An engine of three epochs of one iteration, its rate falling to a half with each."""
    engine = _engine()
    optimizer = torch.optim.SGD(engine.network.parameters(), lr=rate, momentum=0.9, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 0.5**n)
    engine.optimizer = optimizer
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: schedule.step())
    return engine, {"model": engine.network, "optimizer": optimizer, "lr_scheduler": schedule}


def test_rates_and_settings_are_the_present_ones_and_states_the_files(tmp_path: Path) -> None:
    path = str(tmp_path / "last.pt")
    first, objects = _scheduled(0.1)
    ResumePoint(path, objects).attach(first)
    first.run()
    second, objects = _scheduled(0.3, decay=0.01)
    optimizer = objects["optimizer"]
    ResumePoint(path, objects, resume=True).attach(second)
    second.run()  # three epochs are done: it loads, and ends
    (group,) = optimizer.param_groups
    assert group["lr"] == 0.3 * 0.5**3
    assert (group["initial_lr"], group["weight_decay"], group["momentum"]) == (0.3, 0.01, 0.9)
    assert objects["lr_scheduler"].get_last_lr() == [0.3 * 0.5**3]
    assert all("momentum_buffer" in state for state in optimizer.state.values())


def test_the_same_rate_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    path = str(tmp_path / "last.pt")
    first, objects = _scheduled(0.1)
    ResumePoint(path, objects).attach(first)
    first.run()
    rate = objects["optimizer"].param_groups[0]["lr"]
    second, objects = _scheduled(0.1)
    ResumePoint(path, objects, resume=True).attach(second)
    second.run()
    assert objects["optimizer"].param_groups[0]["lr"] == rate


@pytest.mark.parametrize("content", [b"", b"half"])
def test_a_checkpoint_that_cannot_be_read_is_said_to_be_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    engine = _engine()
    ResumePoint(str(tmp_path / "last.pt"), {"model": engine.network}, resume=True).attach(engine)
    with pytest.raises(BundleError, match="cannot be read"):
        engine.run()


def test_a_checkpoint_of_another_network_is_refused_in_one_sentence(tmp_path: Path) -> None:
    first = _engine()
    ResumePoint(str(tmp_path / "last.pt"), {"model": torch.nn.Linear(3, 1)}).attach(first)
    first.run()
    second = _engine()
    ResumePoint(str(tmp_path / "last.pt"), {"model": second.network}, resume=True).attach(second)
    with pytest.raises(BundleError, match=r"the state of `model` in .* does not fit") as raised:
        second.run()
    assert "\n" not in str(raised.value)


def test_what_was_kept_is_recorded_and_comes_again_where_it_has_gone(tmp_path: Path) -> None:
    record = tmp_path / "kept.json"
    keeper = KeptWeights(str(tmp_path / "model.pt"), torch.nn.Linear(1, 1, bias=False), record=str(record))
    _validate(keeper, 1.0, 0.5)
    _validate(keeper, 2.0, 0.4)
    assert json.loads(record.read_text()) == {"epoch": 0, "keep": "best", "metrics": {"dice_mean": 0.5}}
    (tmp_path / "model.pt").unlink()
    assert _validate(keeper, 3.0, 0.4) == 3.0
    assert json.loads(record.read_text())["metrics"] == {"dice_mean": 0.4}


def test_load_weights_refuses_what_does_not_fit(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 3)
    with pytest.raises(BundleError, match="holds no weights"):
        load_weights(network, tmp_path / "model.pt")
    torch.save({"model": torch.nn.Linear(2, 4).state_dict()}, tmp_path / "model.pt")
    with pytest.raises(BundleError, match="do not fit"):
        load_weights(network, tmp_path / "model.pt")
    for content in (b"", b"no weights"):
        (tmp_path / "bad.pt").write_bytes(content)
        with pytest.raises(BundleError, match=r"no weights can be read from .*bad\.pt"):
            load_weights(network, tmp_path / "bad.pt")
    torch.save({"model": network.state_dict()}, tmp_path / "good.pt")
    other = load_weights(torch.nn.Linear(2, 3), tmp_path / "good.pt")
    torch.testing.assert_close(other.weight, network.weight)
