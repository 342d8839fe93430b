import pytest
import torch
from ignite.engine import Engine

from pipeline.core.errors import ConfigError
from pipeline.train.averaging import WeightAverage, effective_decay


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))


def _shift(network: torch.nn.Module, by: float) -> None:
    with torch.no_grad():
        for value in network.state_dict().values():
            value += by if value.is_floating_point() else 1


def test_the_first_update_copies_and_later_ones_blend() -> None:
    network = _network()
    average = WeightAverage(network, decay=0.05)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    average.update()
    _shift(network, 1.0)
    average.update()
    for name, value in average.network.state_dict().items():
        expected = start[name] + (0.95 if value.is_floating_point() else 1)
        torch.testing.assert_close(value, expected)


def test_without_decay_the_average_is_the_network() -> None:
    network = _network()
    average = WeightAverage(network, decay=0.0)
    for _ in range(3):
        _shift(network, 0.5)
        average.update()
    torch.testing.assert_close(dict(average.network.state_dict()), dict(network.state_dict()))


def test_the_average_follows_a_trainer_and_leaves_the_network_alone() -> None:
    network = _network()
    average = WeightAverage(network, decay=0.9)
    trainer = Engine(lambda _engine, _batch: _shift(network, 1.0))
    average.attach(trainer)
    before = network[0].weight.clone()
    trainer.run([0, 1, 2], max_epochs=1)
    torch.testing.assert_close(network[0].weight, before + 3)
    first, second = effective_decay(1, decay=0.9), effective_decay(2, decay=0.9)
    by_hand = ((1 * first + 2 * (1 - first)) * second) + 3 * (1 - second)
    torch.testing.assert_close(average.network[0].weight, before + by_hand)


def test_a_resumed_average_goes_on_as_if_never_stopped() -> None:
    network = _network()
    first = WeightAverage(network, decay=0.995)
    for _ in range(5):
        _shift(network, 1.0)
        first.update()
    second = WeightAverage(network, decay=0.995)
    second.load_state_dict(first.state_dict())
    for average in (first, second):
        average.update()
    torch.testing.assert_close(dict(first.network.state_dict()), dict(second.network.state_dict()))


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match="decay"):
        WeightAverage(_network(), decay=decay)
