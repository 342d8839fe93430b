"""Processes that share batches train as one does: equal losses and weights, and statistics of all samples."""

from __future__ import annotations

import copy
import socket
from pathlib import Path

import ignite.distributed as idist
import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.train import whole_batch
from pipeline.train.datasets import Batches
from pipeline.train.whole_batch import WholeBatchLoss, draw, require_samples, share_of, share_statistics
from tests.forks import Forked

from .whole_batch import Squares

ROOT = Path(__file__).parents[2]


def _trained(folder: Path, *, n_processes: int, n_samples: int) -> dict[str, torch.Tensor]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = folder / f"{n_processes}.pt"
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(n_processes)}
    ranks = [
        Forked(
            "tests.train.whole_batch",
            str(result),
            str(n_samples),
            cwd=ROOT,
            env=group | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            output=folder / f"said{n_processes}-{rank}.txt",
        )
        for rank in range(n_processes)
    ]
    for rank in ranks:
        rank.require_success()
    saved = torch.load(result, weights_only=True)
    return {"losses": saved["losses"]} | saved["weights"]


def test_two_processes_have_the_loss_and_the_weights_of_one(tmp_path: Path) -> None:
    """Of 10 samples two batches of 4 an epoch, two epochs; with augmentation, region loss and batch normalisation."""
    one, two = (_trained(tmp_path, n_processes=n, n_samples=10) for n in (1, 2))
    assert len(two["losses"]) == 4
    assert one["losses"].std() > 0.01
    assert one.keys() == two.keys()
    for name, values in one.items():
        torch.testing.assert_close(two[name], values, rtol=1e-4, atol=2e-6, msg=lambda text, name=name: name + text)


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as the second of two, without the first."""
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    monkeypatch.setattr(idist, "get_rank", lambda: 1)
    monkeypatch.setattr(idist, "broadcast", lambda tensor, **_: tensor)


def test_a_process_draws_what_one_would_and_takes_its_rows(second_of_two: None) -> None:
    torch.manual_seed(1)
    whole = torch.rand(6, 2)
    torch.manual_seed(1)
    assert torch.equal(draw(torch.rand, 3, 2), whole[1::2])
    assert share_of([0, 1, 2, 3, 4]) == [1, 3]


def test_fewer_samples_than_a_batch_are_shared_equally(second_of_two: None) -> None:
    batches = Batches(Squares(3), batch_size=8)
    assert [len(batch["image"]) for batch in batches] == [1]
    assert [len(batch["image"]) for batch in Batches(Squares(9), batch_size=4)] == [2, 2]


def test_what_cannot_be_shared_is_refused(second_of_two: None) -> None:
    with pytest.raises(ConfigError, match=r"multiple of the number of processes.* got 3 for 2"):
        Batches(Squares(8), batch_size=3)
    with pytest.raises(ConfigError, match=r"part of the volumes, and 1 are too few for 2 processes"):
        require_samples(1, of="volumes")
    with pytest.raises(ConfigError, match="training slices or stacks, and 1"):
        Batches(Squares(1), batch_size=2)


def test_terms_of_a_network_s_own_are_those_of_its_samples(second_of_two: None) -> None:
    class Sum(torch.nn.Module):
        def forward(self, terms: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
            return sum(terms) + len(labels)

    assert WholeBatchLoss(Sum())([torch.tensor(1.0), torch.tensor(2.0)], torch.zeros(4, 1)) == 7


def test_alone_common_statistics_are_the_layer_s_own_and_names_stay() -> None:
    def build() -> torch.nn.Module:
        torch.manual_seed(0)
        inner = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 1), torch.nn.BatchNorm3d(2, momentum=None))
        return torch.nn.Sequential(inner, torch.nn.BatchNorm3d(2, affine=False))

    values = torch.randn(3, 1, 4, 4, 2)
    plain, common = build(), build()
    parameters = list(common.parameters())
    assert share_statistics(share_statistics(common)) is common
    assert all(one is other for one, other in zip(parameters, common.parameters(), strict=True))
    for network in (plain, common):
        network(values)
    assert torch.equal(plain(values), common(values))
    states = [network.state_dict() for network in (plain, common)]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(plain.eval()(values), common.eval()(values))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)], ids=str
)
@pytest.mark.parametrize("affine", [True, False])
def test_two_processes_with_the_same_samples_normalise_as_one_with_them(
    second_of_two: None, monkeypatch: pytest.MonkeyPatch, affine: bool, dtype: torch.dtype, tolerance: float
) -> None:
    """Their statistics are the common ones; of constant samples, too, whose variance is 0."""
    monkeypatch.setattr(whole_batch, "_gather_rows", lambda own: own.repeat(2, *[1] * (own.ndim - 1)))
    torch.manual_seed(0)
    samples = torch.randn(3, 4, 5, 6, dtype=dtype) * 3 + 7
    samples[:, 3] = 2.0
    towards = torch.randn(3, 4, 5, 6, dtype=dtype)
    own = torch.nn.BatchNorm2d(4, affine=affine, dtype=torch.promote_types(dtype, torch.float32))
    if affine:
        torch.nn.init.uniform_(own.weight, 0.5, 2.0)
    found = []
    for layer in (own, share_statistics(torch.nn.Sequential(copy.deepcopy(own)))):
        values = samples.clone().requires_grad_()
        normalised = layer(values)
        normalised.backward(towards)
        assert normalised.dtype == values.grad.dtype == dtype
        found.append([normalised, values.grad, *[one.grad for one in layer.parameters()]])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=tolerance, atol=tolerance * float(one.detach().abs().max()))
