from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.networks.ensemble import Ensemble


class _Constant(nn.Module):
    """Gives the same logits everywhere."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits[None, :, None, None].expand(x.shape[0], -1, *x.shape[2:])


def test_probabilities_are_averaged_not_logits() -> None:
    # probabilities (3/4, 1/4) and (1/10, 9/10): mean (0.425, 0.575)
    network = Ensemble([_Constant(torch.log(torch.tensor(3.0)).item(), 0.0), _Constant(0.0, 2 * 1.0986123)])
    found = network(torch.zeros(2, 1, 4, 3)).softmax(1)
    assert found.shape == (2, 2, 4, 3)
    torch.testing.assert_close(found[1, :, 2, 1], torch.tensor([0.425, 0.575]))


def test_certain_members_give_finite_logits() -> None:
    assert Ensemble([_Constant(1e4, -1e4)])(torch.zeros(1, 1, 2, 2)).isfinite().all()


def test_no_members_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([])
