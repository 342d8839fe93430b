"""What every network must do, as checks that tests call: keep sizes, train, export, and see as far as it should."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional


def _assert_sizes_kept(network: nn.Module, sizes: list[tuple[int, ...]], n_classes: int) -> None:
    """Logits have the input's size, at each of the sizes."""
    network.eval()
    channels = next(m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)).in_channels
    for size in sizes:
        with torch.inference_mode():
            assert network(torch.randn(1, channels, *size)).shape == (1, n_classes, *size)


def _assert_learns(network: nn.Module, x: torch.Tensor, n_classes: int, rate: float = 0.05) -> None:
    """Every parameter gets a gradient that is not all zero, and a few steps on one batch lower the loss."""
    torch.manual_seed(0)
    target = torch.randint(0, n_classes, (x.shape[0], *x.shape[2:]))
    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    losses = []
    for _ in range(4):
        logits = network(x)
        outputs = [logits] if isinstance(logits, torch.Tensor) else list(logits)
        loss = torch.stack([functional.cross_entropy(one, target) for one in outputs]).sum()
        optimizer.zero_grad()
        loss.backward()
        silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not silent or losses, f"no gradient reaches {silent}"
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def _assert_exports(network: nn.Module, x: torch.Tensor) -> None:
    """`torch.export` gives the same logits."""
    network.eval()
    with torch.inference_mode():
        expected = network(x)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.export(network, (x,)).module()(x), expected, rtol=1e-3, atol=1e-4)


def _path_extent(steps: list[tuple[str, int, int, int]], at: int) -> int:
    """Width of the input region that output pixel `at` depends on along one path.

    Args:
        steps: from output to input, ("conv" or "transposed", kernel, stride, padding); a pooling is a convolution.
        at: the output pixel's place; which input pixels a transposed convolution reaches hangs on it.
    """
    low = high = at
    for kind, kernel, stride, padding in steps:
        if kind == "conv":  # o reads i = o s - p + j, j from 0 to k - 1
            low, high = low * stride - padding, high * stride - padding + kernel - 1
        else:  # o = i s - p + j
            low, high = -((kernel - 1 - padding - low) // stride), (high + padding) // stride
    return high - low + 1


def _probed_extent(network: nn.Module, size: int, channels: int = 1, *, breadth: int | None = None) -> int:
    """Width of the input region along X that one output pixel's gradient reaches, in images of `size` x `breadth`.

    Measured on a copy in double precision in which weights are positive and sum to 1, every ReLU stays open and maximum
    pooling is an average (but where its indices are used), so that no path is lost by chance.
    """
    torch.manual_seed(0)
    probe = copy.deepcopy(network).eval().double()
    for name, module in list(probe.named_modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d | nn.ConvTranspose3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            module.weight.data /= module.weight.data.sum() / module.out_channels
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_parameters()
        elif isinstance(module, nn.MaxPool2d | nn.MaxPool3d) and name and not module.return_indices:
            make = nn.AvgPool2d if isinstance(module, nn.MaxPool2d) else nn.AvgPool3d
            average = make(module.kernel_size, module.stride, module.padding)
            probe.get_submodule(name.rpartition(".")[0]).register_module(name.rpartition(".")[2], average)
    depth = [8] if any(isinstance(module, nn.Conv3d) for module in probe.modules()) else []
    x = 1 + 0.1 * torch.rand(1, channels, size, breadth or size, *depth, dtype=torch.double)
    output = probe(x.requires_grad_())
    output[0, 0][tuple(n // 2 for n in output.shape[2:])].backward()
    assert x.grad is not None
    hit = (x.grad[0].abs().sum(0) > 0).flatten(1).any(1).nonzero()
    return int(hit.max() - hit.min() + 1)


@pytest.fixture
def assert_sizes_kept() -> Callable[..., None]:
    """See `_assert_sizes_kept`."""
    return _assert_sizes_kept


@pytest.fixture
def assert_learns() -> Callable[..., None]:
    """See `_assert_learns`."""
    return _assert_learns


@pytest.fixture
def assert_exports() -> Callable[..., None]:
    """See `_assert_exports`."""
    return _assert_exports


@pytest.fixture
def path_extent() -> Callable[..., int]:
    """See `_path_extent`."""
    return _path_extent


@pytest.fixture
def probed_extent() -> Callable[..., int]:
    """See `_probed_extent`."""
    return _probed_extent
