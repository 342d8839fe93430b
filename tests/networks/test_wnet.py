"""W-Net and the soft normalised cut: against the N x N matrix, by hand, and as an objective."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.networks.wnet import SoftNormalisedCut, WNet


def _by_matrix(maps: torch.Tensor, image: torch.Tensor, cut: SoftNormalisedCut, radius: float) -> float:
    """The definition, pixel against pixel."""
    n_x, n_y = image.shape[2:]
    places = [(i, j) for i in range(n_x) for j in range(n_y)]
    losses = []
    for f, p in zip(image, maps, strict=True):
        ties = torch.zeros(len(places), len(places), dtype=torch.double)
        for a, (i, j) in enumerate(places):
            for b, (k, m) in enumerate(places):
                distance = math.hypot(i - k, j - m)
                if distance < radius:
                    difference = float((f[:, i, j] - f[:, k, m]).square().sum())
                    ties[a, b] = math.exp(-difference / cut.sigma_intensity**2 - distance**2 / cut.sigma_position**2)
        flat = p.flatten(1)
        losses.append(len(flat) - sum(float(q @ ties @ q / (q @ ties.sum(dim=1))) for q in flat))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("size", "radius"), [((5, 6), 3.0), ((2, 7), 5.0), ((4, 4), 2.5), ((3, 3), 1.0)])
def test_same_as_by_the_matrix(size: tuple[int, int], radius: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, *size, dtype=torch.double)
    image = torch.randn(2, 2, *size, dtype=torch.double)
    cut = SoftNormalisedCut(sigma_intensity=1.5, sigma_position=2.0, radius=radius)
    assert cut(logits, image).item() == pytest.approx(_by_matrix(logits.softmax(dim=1), image, cut, radius), rel=1e-9)


def test_radius_5_ties_68_neighbours_each_pair_once() -> None:
    offsets = SoftNormalisedCut().offsets
    assert len(offsets) == 34  # points of the plane within 5, exclusive: 69, less the middle, in pairs
    assert len({*offsets, *[(-dx, -dy) for dx, dy in offsets]}) == 68


@pytest.mark.parametrize("n_segments", [2, 5])
def test_even_maps_cost_one_less_than_segments(n_segments: int) -> None:
    # p = 1/K everywhere: each ratio is (d / K^2) / (d / K) = 1/K, their sum 1
    loss = SoftNormalisedCut()(torch.zeros(1, n_segments, 9, 8), torch.randn(1, 1, 9, 8))
    assert loss.item() == pytest.approx(n_segments - 1, rel=1e-5)


@pytest.mark.parametrize("scale", [0.1, 1.0, 200.0])
def test_bounds(scale: float) -> None:
    torch.manual_seed(0)
    for _ in range(5):
        loss = SoftNormalisedCut()(scale * torch.randn(2, 4, 12, 10), torch.randn(2, 1, 12, 10)).item()
        assert 0 <= loss <= 4


def test_an_empty_segment_costs_one_and_makes_no_nan() -> None:
    logits = torch.tensor([500.0, -500.0]).view(1, 2, 1, 1).expand(1, 2, 6, 6).clone().requires_grad_()
    loss = SoftNormalisedCut()(logits, torch.zeros(1, 1, 6, 6))
    loss.backward()
    assert loss.item() == pytest.approx(1.0)
    assert logits.grad.isfinite().all()


def test_two_tones_are_best_cut_where_they_meet() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8:] = 1.0
    right = functional.one_hot((image[:, 0] > 0.5).long(), 2).movedim(-1, 1).float()
    cut = SoftNormalisedCut()
    loss = cut(20 * right, image)
    assert loss < 0.01  # ties across are exp(-25) at most
    assert loss < cut(20 * right.roll(2, dims=3), image)
    assert loss < cut(20 * torch.randn(1, 2, 16, 16), image)


def test_descent_from_a_poor_start_finds_the_two_tones() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 12, 12)
    image[..., 5:] = 1.0
    leaning = torch.cat([-image, image], dim=1) * 0.5
    logits = (leaning + 0.5 * torch.randn(1, 2, 12, 12)).requires_grad_()
    assert (logits.argmax(dim=1) != image[:, 0]).float().mean() > 0.15
    cut, optimizer = SoftNormalisedCut(), torch.optim.Adam([logits], lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        cut(logits, image).backward()
        optimizer.step()
    found = logits.argmax(dim=1)[0]
    assert found[:, :5].unique().numel() == found[:, 5:].unique().numel() == 1
    assert found[0, 0] != found[0, 11]


def test_sigma_follows_the_units_of_the_image() -> None:
    logits, image = torch.randn(1, 3, 8, 8), torch.rand(1, 1, 8, 8)
    grey = SoftNormalisedCut(sigma_intensity=10.0)(logits, 255 * image)
    torch.testing.assert_close(SoftNormalisedCut(sigma_intensity=10 / 255)(logits, image), grey)


def test_half_precision_is_computed_in_float32() -> None:
    logits, image = torch.randn(1, 3, 8, 8).bfloat16(), torch.randn(1, 1, 8, 8)
    loss = SoftNormalisedCut()(logits, image)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, SoftNormalisedCut()(logits.float(), image))


@pytest.mark.parametrize("name", ["sigma_intensity", "sigma_position", "radius"])
def test_settings_must_be_positive(name: str) -> None:
    with pytest.raises(ConfigError, match="positive"):
        SoftNormalisedCut(**{name: 0.0})


def test_reconstruction_sees_the_soft_segments_alone() -> None:
    network = WNet(2, 3, base_channels=2, depth=2).train()
    seen: list[torch.Tensor] = []
    network.decoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    logits, rebuilt = network(torch.randn(2, 2, 11, 14))
    assert logits.shape == (2, 3, 11, 14)
    assert rebuilt.shape == (2, 2, 11, 14)
    torch.testing.assert_close(seen[0], logits.softmax(dim=1))


def test_evaluation_gives_the_segments_and_skips_the_second_network() -> None:
    network = WNet(1, 3, base_channels=2, depth=2).eval()
    network.decoder.register_forward_hook(lambda *_: pytest.fail("the reconstruction is not needed"))
    assert network(torch.randn(1, 1, 9, 12)).shape == (1, 3, 9, 12)


def test_both_losses_train_every_parameter() -> None:
    torch.manual_seed(0)
    network = WNet(1, 3, base_channels=4, depth=2, dropout=0.0).train()
    x, cut = torch.randn(2, 1, 16, 16), SoftNormalisedCut()
    optimizer, losses = torch.optim.SGD(network.parameters(), lr=0.05), []
    for _ in range(4):
        logits, rebuilt = network(x)
        loss = cut(logits, x) + functional.mse_loss(rebuilt, x)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_both_halves_are_separable_below_the_first_level_and_drop_at_the_bottom() -> None:
    network = WNet(1, 4)
    for half in (network.encoder, network.decoder):
        assert [convs[0].groups for convs in half.contracting] == [1, 64, 128, 256, 512]
        assert half.dropout.p == 0.65
        assert isinstance(half.contracting[0][1], nn.BatchNorm2d)


def test_one_segment_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 segments"):
        WNet(1, 1)
