"""The pyramid: sizes that the one network sees, and the mean of its probabilities."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.networks.mnet import MNet
from pipeline.networks.multiresolution import MultiResolution, log_mean_probability
from pipeline.networks.unet import OriginalUNet

_SMALL = partial(OriginalUNet, base_channels=2, depth=2)


def test_mean_of_probabilities_by_hand() -> None:
    # odds 3:1 and 1:1 are (0.75, 0.25) and (0.5, 0.5); the mean of logits would give odds of sqrt(3)
    maps = [torch.tensor([3.0, 1.0]).log().view(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)]
    torch.testing.assert_close(log_mean_probability(maps).exp().flatten(), torch.tensor([0.625, 0.375]))


def test_mean_stays_finite_where_probabilities_underflow() -> None:
    sure = torch.tensor([0.0, 1000.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(log_mean_probability([sure, sure]).flatten(), torch.tensor([-1000.0, 0.0]))
    assert log_mean_probability([sure.bfloat16()]).dtype == torch.float32
    assert log_mean_probability([sure.double()]).dtype == torch.double


def test_one_network_sees_each_scale() -> None:
    network = MultiResolution(1, 2, network=_SMALL, scales=(1.0, 0.75, 0.5, 2.0))
    seen: list[torch.Size] = []
    network.network.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[2:]))
    network(torch.randn(1, 1, 16, 25))
    assert seen == [(16, 25), (12, 19), (8, 12), (32, 50)]
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in _SMALL(1, 2).parameters())


def test_shrinking_smooths() -> None:
    network = MultiResolution(1, 2, network=_SMALL, scales=(0.25,))
    seen: list[torch.Tensor] = []
    network.network.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    stripes = ((torch.arange(32) + 1) // 2 % 2).float().expand(1, 1, 32, 32)
    network(stripes)
    assert (seen[0][..., 1:-1] - 0.5).abs().max() < 0.05  # without smoothing, 1


def test_training_gives_the_mean_and_every_scale() -> None:
    torch.manual_seed(0)
    network = MultiResolution(1, 3, network=_SMALL, scales=(1.0, 0.5)).train()
    x = torch.randn(2, 1, 13, 20)
    combined, full, half = network(x)
    torch.testing.assert_close(full, network.network(x))
    assert half.shape == full.shape
    mean = (full.softmax(dim=1) + half.softmax(dim=1)) / 2
    torch.testing.assert_close(combined.softmax(dim=1), mean)
    torch.testing.assert_close(network.eval()(x), combined)


def test_auxiliary_heads_follow_and_do_not_enter_the_mean() -> None:
    network = MultiResolution(1, 3, network=partial(MNet, base_channels=2, depth=3), scales=(1.0, 0.5)).train()
    combined, full, half, *sides = network(torch.randn(2, 1, 16, 16))
    assert [side.shape for side in sides] == [(2, 3, 16, 16)] * 4
    torch.testing.assert_close(combined, log_mean_probability([full, half]))


@pytest.mark.parametrize("settings", [{"scales": ()}, {"scales": (1.0, 0.0)}, {"out_channels": 1}])
def test_refusals(settings: dict) -> None:
    with pytest.raises(ConfigError, match="at least"):
        MultiResolution(**{"in_channels": 1, "out_channels": 2, "network": _SMALL, **settings})
