"""Several networks as one: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["Ensemble"]

_LEAST_PROBABILITY = 1e-6
"""Floor of the mean probability. At 0 the logit would be infinite, and resampling would turn it into NaN."""


class Ensemble(nn.Module):
    """Networks that take the same input and give logits of the same classes, averaged.

    Args:
        members: the networks.

    Raises:
        ValueError: no members.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one network")
        self.members = nn.ModuleList(members)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, X, Y) -> (N, classes, X, Y): logarithms of the mean probabilities, which act as logits do."""
        probabilities = [member(x).float().softmax(dim=1) for member in self.members]
        return torch.stack(probabilities).mean(dim=0).clamp(min=_LEAST_PROBABILITY).log()
