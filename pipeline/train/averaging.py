"""Averages of the weights over the last iterations, which generalise better than the last weights alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from pipeline.core.errors import ConfigError

__all__ = ["WeightAverage", "effective_decay"]

_LEAD = 10
"""How much a young average follows its weights: after n iterations it reaches back over about n / `_LEAD` of them."""


def effective_decay(n_averaged: int, *, decay: float) -> float:
    """Decay of the moving average after `n_averaged` iterations.

    The smaller of `decay` and (1 + n) / (10 + n), so that a short training is not dominated by its first weights (the
    rule of TensorFlow's `ExponentialMovingAverage`).

    >>> [round(effective_decay(n, decay=0.995), 3) for n in (0, 90, 10_000)]
    [0.1, 0.91, 0.995]
    """
    return min(decay, (1 + n_averaged) / (_LEAD + n_averaged))


class WeightAverage:
    """Keeps the exponential moving average of a network's weights and buffers, updated after each iteration.

    Args:
        network: the network in training, on its device. A `DistributedDataParallel` is unwrapped.
        decay: share of the old average kept each iteration, 0 to below 1. 0.995 reaches back over about 200. With 0
            the average is the current network.

    Attributes:
        network: the averaged network, to validate with and to save.

    Raises:
        ConfigError: `decay` out of range.
    """

    def __init__(self, network: torch.nn.Module, *, decay: float = 0.995) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"`decay` of the weights' average must be from 0 to below 1, got {decay}")
        self.decay = decay
        self._source = network.module if isinstance(network, DistributedDataParallel) else network
        self._average = AveragedModel(self._source, multi_avg_fn=self._blend, use_buffers=True)
        self.network = self._average.module

    def attach(self, engine: Engine) -> None:
        """Listen to a trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.update)

    def update(self) -> None:
        """Add the network's current weights to the average. The first time they become the average."""
        self._average.update_parameters(self._source)

    def state_dict(self) -> Mapping[str, Any]:
        """The averaged weights and how many were averaged."""
        return self._average.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up the average of an earlier run."""
        self._average.load_state_dict(state_dict)

    def _blend(
        self, averages: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], n_averaged: torch.Tensor | int
    ) -> None:
        """Blend one kind of tensors. Counters (integers) are copied."""
        kept = effective_decay(int(n_averaged), decay=self.decay)
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight, 1 - kept)
            else:
                average.copy_(weight)
