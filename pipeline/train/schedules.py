"""Learning-rate schedules per iteration, as factors of the base rate for `torch.optim.lr_scheduler.LambdaLR`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pipeline.core.errors import ConfigError

__all__ = ["SHAPES", "lr_factor", "make_schedule"]

SHAPES = ("constant", "poly", "cosine")
"""Shapes of the decay that follows the warm-up."""


def lr_factor(
    iteration: int,
    *,
    shape: str,
    n_iterations: int,
    n_warmup: int = 0,
    n_constant: int = 0,
    power: float = 0.9,
    every: int = 1,
) -> float:
    """Factor of the base learning rate at an iteration.

    Warm-up rises linearly from 1/n_warmup to 1, and `n_constant` iterations keep it there. Then `poly` is (1 - p)^power
    (DeepLab v2, Chen et al. 2018), `cosine` (1 + cos(pi p)) / 2 (SGDR, Loshchilov and Hutter 2017), with p from 0 to 1
    over the iterations that remain. p moves once in `every` iterations (10 in the 2017 study). Beyond `n_iterations`
    the factor keeps its last value.

    >>> [round(lr_factor(i, shape="poly", n_iterations=4, power=1.0), 2) for i in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    >>> [lr_factor(i, shape="constant", n_iterations=4, n_warmup=2) for i in range(4)]
    [0.5, 1.0, 1.0, 1.0]
    >>> [lr_factor(i, shape="poly", n_iterations=4, power=1.0, every=2) for i in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.0]
    >>> [lr_factor(i, shape="poly", n_iterations=4, n_constant=2, power=1.0) for i in range(5)]
    [1.0, 1.0, 1.0, 0.5, 0.0]
    """
    if iteration < n_warmup:
        return (iteration + 1) / n_warmup
    n_before = n_warmup + n_constant
    done = max(0, iteration - n_before) // every * every
    progress = min(1.0, done / max(1, n_iterations - n_before))
    if shape == "poly":
        return float((1.0 - progress) ** power)
    if shape == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0


def make_schedule(
    optimizer: Optimizer,
    *,
    shape: str,
    n_iterations: int,
    n_warmup: int = 0,
    n_constant: int = 0,
    power: float = 0.9,
    every: int = 1,
    time_used: Callable[[], float] | None = None,
) -> LambdaLR:
    """A scheduler to step once an iteration.

    Args:
        optimizer: its groups' rates are the base rates.
        shape: one of `SHAPES`.
        n_iterations: length of the whole training, warm-up included.
        n_warmup: iterations of linear warm-up.
        n_constant: iterations at the base rate between warm-up and decay, with the warm-up below `n_iterations`.
        power: exponent of `poly`.
        every: iterations from one step of the decay to the next, at least 1.
        time_used: fraction of a time limit used so far, 0 to 1, as `time_limit.TimeLimit.fraction`. The schedule then
            follows iterations or time, whichever is further, and so ends with the time.

    Raises:
        ConfigError: unknown shape, a warm-up as long as the training, or `every` below 1.
    """
    if shape not in SHAPES:
        raise ConfigError(f"schedule must be one of {SHAPES}, got {shape!r}")
    if min(n_warmup, n_constant) < 0 or n_warmup + n_constant >= max(1, n_iterations):
        raise ConfigError(
            f"`n_warmup` and `n_constant` must be together below the {n_iterations} iterations of the training, "
            f"got {n_warmup} and {n_constant}"
        )
    if every < 1:
        raise ConfigError(f"`every` must be at least 1 iteration, got {every}")
    settings = {"n_iterations": n_iterations, "n_warmup": n_warmup, "n_constant": n_constant, "every": every}
    factor: Callable[[int], float] = partial(lr_factor, shape=shape, power=power, **settings)
    if time_used is None:
        return LambdaLR(optimizer, factor)
    return LambdaLR(optimizer, lambda iteration: factor(max(iteration, int(time_used() * n_iterations))))
