"""Rates by part of the network, and parts that start to train later."""

from __future__ import annotations

import copy

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.deeplab_v1_v2 import DeepLabV2
from pipeline.networks.published import DeepLabV2Caffe
from pipeline.train import finetune
from pipeline.train.finetune import STUDY_RATES, ProgressiveUnfreezing, parameter_groups, start_from
from pipeline.train.losses import CrossEntropy
from pipeline.train.schedules import make_schedule


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        )
        self.head = nn.Conv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


def _rates(network: nn.Module, groups: list[dict]) -> dict[str, float]:
    by_id = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    return {name: by_id[id(parameter)] for name, parameter in network.named_parameters()}


def test_a_training_starts_from_a_file_and_tells_what_became_of_it(tmp_path, caplog) -> None:
    trained, network = _Network(), _Network()
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    untouched = network.head.weight.clone()
    with caplog.at_level("INFO"):
        start_from(network, tmp_path / "weights.pt", skip=["head"])
    torch.testing.assert_close(network.backbone[0].weight, trained.backbone[0].weight)
    torch.testing.assert_close(network.head.weight, untouched)
    assert "skipped: head.weight" in caplog.text
    assert start_from(network, None) is network


def test_the_studys_rates_on_deeplab_v2() -> None:
    network = DeepLabV2(1, 2, backbone="resnet18")
    groups = parameter_groups(network, base_rate=2.5e-4, rates=STUDY_RATES, weight_decay=5e-4)
    rates = _rates(network, groups)
    assert sorted({group["lr"] for group in groups}) == pytest.approx([2.5e-4, 2.5e-3, 5e-3])
    assert {name for name, rate in rates.items() if rate == pytest.approx(2.5e-3)} == {
        f"aspp.{i}.weight" for i in range(4)
    }
    assert {name for name, rate in rates.items() if rate == pytest.approx(5e-3)} == {f"aspp.{i}.bias" for i in range(4)}
    assert {group["weight_decay"] for group in groups} == {5e-4}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_the_longest_pattern_counts_whatever_the_order() -> None:
    network = _Network()
    rates = {"backbone.2.bias": 4.0, "backbone": 0.1, "backbone.2": 0.5, "*bias": 3.0}
    found = _rates(network, parameter_groups(network, base_rate=1.0, rates=rates))
    assert found["backbone.0.weight"] == 0.1
    assert found["backbone.0.bias"] == 0.1  # "backbone" is longer than "*bias"
    assert found["backbone.2.weight"] == 0.5
    assert found["backbone.2.bias"] == 4.0
    assert (found["head.weight"], found["head.bias"]) == (1.0, 3.0)


def test_biases_may_go_without_weight_decay() -> None:
    network = _Network()
    groups = parameter_groups(network, base_rate=1.0, weight_decay=0.5, no_decay=["*bias"])
    decays = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert all(
        decays[id(parameter)] == (0.0 if name.endswith("bias") else 0.5)
        for name, parameter in network.named_parameters()
    )


def test_a_schedule_multiplies_each_groups_rate() -> None:
    optimizer = torch.optim.SGD(parameter_groups(_Network(), base_rate=1.0, rates={"head": 10.0}))
    schedule = make_schedule(optimizer, shape="poly", n_iterations=4, power=1.0)
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.75, 7.5]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rates": {"encoder": 0.1}}, "'encoder', which matches none"),
        ({"no_decay": ["bn"]}, "'bn', which matches none"),
        ({"rates": {"head": -1.0}}, "0 or more"),
    ],
)
def test_groups_refuse(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parameter_groups(_Network(), base_rate=1.0, **settings)


def _trainable(network: nn.Module) -> list[str]:
    return [name for name, parameter in network.named_parameters() if parameter.requires_grad]


def test_parts_start_to_train_at_their_epochs() -> None:
    network, engine, seen = _Network(), Engine(lambda _engine, _batch: None), []
    ProgressiveUnfreezing(network, {2: ["backbone.2", "backbone.3"], "4": "backbone"}).attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _engine: seen.append(_trainable(network)))
    engine.run([0], max_epochs=4)
    head = ["head.weight", "head.bias"]
    upper = [f"backbone.{i}.{part}" for i in (2, 3) for part in ("weight", "bias")]
    assert seen == [head, upper + head, upper + head, [name for name, _ in network.named_parameters()]]


def test_a_resumed_run_finds_its_epoch() -> None:
    network, engine = _Network(), Engine(lambda _engine, _batch: None)
    ProgressiveUnfreezing(network, {3: "backbone.2", 9: "backbone"}).attach(engine)
    engine.load_state_dict({"epoch": 4, "max_epochs": 5, "epoch_length": 1})
    engine.run([0], max_epochs=5)
    assert _trainable(network) == ["backbone.2.weight", "backbone.2.bias", "head.weight", "head.bias"]


def _train(network: nn.Module, handlers: list, *, n_epochs: int) -> list[dict[str, torch.Tensor]]:
    """State dicts before training and after each epoch."""
    torch.manual_seed(0)
    batch = {"image": 3.0 + torch.randn(2, 1, 6, 6), "label": torch.randint(0, 2, (2, 1, 6, 6))}
    states = [copy.deepcopy(network.state_dict())]
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=n_epochs,
        train_data_loader=[batch],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1),
        loss_function=CrossEntropy(),
        train_handlers=handlers,
        decollate=False,
    )
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda _: states.append(copy.deepcopy(network.state_dict())))
    trainer.run()
    return states


def test_what_is_frozen_stands_still_to_the_last_bit() -> None:
    network = _Network()
    states = _train(network, [ProgressiveUnfreezing(network, {3: "backbone.3", 4: "backbone"})], n_epochs=4)

    def moved(epoch: int) -> set[str]:
        before, after = states[epoch - 1], states[epoch]
        return {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}

    head = {"head.weight", "head.bias"}
    norm = {f"backbone.3.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
    assert moved(1) == moved(2) == head
    assert moved(3) == head | norm
    assert moved(4) >= head | norm | {"backbone.0.weight", "backbone.1.running_mean", "backbone.2.weight"}


def test_frozen_normalisation_uses_its_running_statistics() -> None:
    network, plain = _Network(), _Network()
    plain.load_state_dict(network.state_dict())
    handler = ProgressiveUnfreezing(network, {2: "backbone"})
    handler.attach(Engine(lambda _engine, _batch: None))
    x = 5.0 + torch.randn(2, 1, 6, 6)
    handler.apply(1)
    torch.testing.assert_close(network.train()(x), plain.eval()(x))
    handler.apply(2)
    torch.testing.assert_close(network.train()(x), plain.train()(x))


def test_a_copy_of_the_network_is_its_own() -> None:
    network = _Network()
    handler = ProgressiveUnfreezing(network, {2: "backbone"})
    handler.attach(Engine(lambda _engine, _batch: None))
    handler.apply(1)
    twin = copy.deepcopy(network).eval()
    handler.apply(2)
    network.train()(torch.randn(2, 1, 6, 6))
    assert all(module.training for module in network.modules())
    assert not any(module.training for module in twin.modules())


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({2: "encoder"}, "'encoder', which matches none"),
        ({0: "backbone"}, "whole numbers from 1 on, got 0"),
        ({"soon": "backbone"}, "whole numbers from 1 on, got 'soon'"),
        ({2: ["backbone", "head"]}, "freezes all of them"),
    ],
)
def test_unfreezing_refuses(schedule: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ProgressiveUnfreezing(_Network(), schedule)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune.idist, "get_world_size", lambda: 2)
    with pytest.raises(ConfigError, match="one process"):
        ProgressiveUnfreezing(_Network(), {2: "backbone"}).attach(Engine(lambda _engine, _batch: None))


def test_normalisations_alone_can_be_kept_fixed_as_deeplab_v2s_authors_did() -> None:
    network = DeepLabV2Caffe(1, 2, backbone="resnet50", scales=(1.0,))
    schedule = ProgressiveUnfreezing(network, {"100000": ["*.bn?.*", "*.downsample.1.*"]})
    schedule.apply(1)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    fixed = {id(parameter) for norm in norms for parameter in norm.parameters()}
    assert len(norms) == 1 + 3 * 16 + 4
    assert {id(parameter) for parameter in network.parameters() if not parameter.requires_grad} == fixed
    before = norms[-1].running_mean.clone()
    network.train()
    schedule._hold_still(network, ())
    network(torch.randn(2, 1, 33, 33))
    assert torch.equal(norms[-1].running_mean, before)
