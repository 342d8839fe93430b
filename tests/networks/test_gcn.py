"""Global convolutional network: the large kernel by hand and by gradient, the decoder's sums."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.gcn import GCN, BoundaryRefinement, LargeKernel
from pipeline.networks.layers.arithmetic import receptive_field


def _small(**settings: object) -> GCN:
    torch.manual_seed(0)
    return GCN(1, 4, **({"backbone": "resnet18", "kernel": 5} | settings))


def test_large_kernel_by_hand() -> None:
    kernel = LargeKernel(1, 1, kernel=3)
    weights = {"column_first": (1.0, 10.0), "row_first": (100.0, 1.0)}
    for name, (first, second) in weights.items():
        branch = kernel.get_submodule(name)
        for conv, weight in zip(branch, (first, second), strict=True):
            nn.init.constant_(conv.weight, weight)
            nn.init.zeros_(conv.bias)
    x = torch.zeros(1, 1, 7, 7)
    x[0, 0, 3, 3] = 1.0
    expected = torch.zeros(7, 7)
    expected[2:5, 2:5] = 1 * 10 + 100 * 1  # summed, not concatenated; without ReLU between
    torch.testing.assert_close(kernel(x)[0, 0], expected)
    torch.testing.assert_close(kernel(-x)[0, 0], -expected)


def test_large_kernel_orders_its_convolutions_both_ways() -> None:
    kernel = LargeKernel(6, 2, kernel=7)
    assert [conv.weight.shape for conv in kernel.column_first] == [(2, 6, 7, 1), (2, 2, 1, 7)]
    assert [conv.weight.shape for conv in kernel.row_first] == [(2, 6, 1, 7), (2, 2, 7, 1)]


@pytest.mark.parametrize("k", [7, 15])
def test_large_kernel_field_by_formula_and_by_gradient(k: int, probed_extent) -> None:
    kernel = LargeKernel(1, 2, kernel=k)
    assert receptive_field([(k, 1, 1), (1, 1, 1)]) == k  # along either axis
    assert probed_extent(kernel, 2 * k + 3) == k
    x = torch.zeros(1, 1, 2 * k + 3, 2 * k + 3, requires_grad=True)
    kernel(x)[0, 0, k + 1, k + 1].backward()
    assert (x.grad != 0).sum() == k * k  # the whole window, not a cross


def test_boundary_refinement_by_hand() -> None:
    refinement = BoundaryRefinement(1)
    for layer in refinement.convs:
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
    x = torch.tensor([[[[-2.0, 3.0]]]])
    torch.testing.assert_close(refinement(x), torch.tensor([[[[-2.0, 6.0]]]]))


def test_default_kernel_is_7() -> None:
    with torch.device("meta"):
        network = GCN(3, 21)
    assert [score[0].column_first[0].weight.shape for score in network.scores] == [
        (21, width, 7, 1) for width in (256, 512, 1024, 2048)
    ]


def test_parameters_by_hand() -> None:
    # two orders of k x n_in x 4 and k x 4 x 4 for each stage; 9 boundary refinements; 5 deconvolutions of 4 x 4
    large = sum(2 * (5 * n_in * 4 + 4 + 5 * 4 * 4 + 4) for n_in in (64, 128, 256, 512))
    refinements = 9 * 2 * (4 * 4 * 9 + 4)
    deconvolutions = 5 * (4 * 4 * 16 + 4)
    expected = 11_176_512 - 2 * 64 * 49 + large + refinements + deconvolutions
    assert sum(p.numel() for p in _small().parameters()) == expected


def test_decoder_doubles_and_adds_stage_by_stage() -> None:
    network = _small().eval()
    scored: list[torch.Tensor] = []
    doubled: list[torch.Tensor] = []
    refined: list[torch.Tensor] = []
    for score in network.scores:
        score.register_forward_hook(lambda *call: scored.append(call[-1]))
    for deconvolution in network.deconvolutions:
        deconvolution.register_forward_hook(lambda *call: doubled.append(call[-1]))
    for refinement in network.refinements:
        refinement.register_forward_pre_hook(lambda _, inputs: refined.append(inputs[0]))
    network(torch.randn(1, 1, 57, 83))
    sizes = [(4, 6), (8, 11), (15, 21), (29, 42), (57, 83)]
    assert [tuple(one.shape[2:]) for one in refined] == sizes
    skips = [scored[2], scored[1], scored[0], 0.0, 0.0]
    for sum_, (n_x, n_y), skip, up in zip(refined, sizes, skips, doubled, strict=True):
        torch.testing.assert_close(sum_, up[:, :, :n_x, :n_y] + skip)


def test_any_size_comes_back(assert_sizes_kept) -> None:
    assert_sizes_kept(_small(), [(64, 64), (57, 83), (33, 17)], 4)


def test_learns_in_every_parameter(assert_learns) -> None:
    torch.manual_seed(0)
    assert_learns(_small(), torch.randn(2, 1, 64, 64), 4, rate=0.01)


def test_exports(assert_exports) -> None:
    assert_exports(_small(), torch.randn(2, 1, 40, 57))


def test_batch_of_one_trains_since_no_level_is_pooled_to_one_value() -> None:
    assert _small().train()(torch.randn(1, 1, 64, 64)).shape == (1, 4, 64, 64)


def test_trains_under_autocast_with_channels_last() -> None:
    network = _small().to(memory_format=torch.channels_last)
    x = torch.randn(2, 1, 40, 40).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(x)
    logits.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("kernel", [0, 4, -3])
def test_kernels_must_be_odd_and_positive(kernel: int) -> None:
    with pytest.raises(ConfigError, match="odd and positive"):
        LargeKernel(1, 1, kernel=kernel)
