"""Confidence of the network in its labels: its own probabilities, summed."""

from __future__ import annotations

import math

import numpy as np
import torch

from pipeline.core.errors import GridError
from pipeline.core.probability_sums import POSSIBLE, SURE, ProbabilitySums

__all__ = ["sum_probabilities"]

_LOG_RATIO = math.log(100.0)
"""A voxel counts if some class has at least a hundredth of the background's probability. The rest, spread
over a whole picture, reflects the softmax's tail rather than the heart, and is most of the arithmetic.
Leaving it out changed the expected Dice of a volume of ACDC by less than 0.001."""


def sum_probabilities(logits: torch.Tensor, *, n_classes: int) -> ProbabilitySums:
    """Sum the probabilities of each class, by phase and slice.

    Args:
        logits: (T*C, X, Y, Z) float, phase-major: channel `t * n_classes + c`. Class 0 is the background.
        n_classes: C, 2 or more.

    Returns:
        Sums of the classes from 1 up.

    Raises:
        GridError: not four axes, or the number of channels is no multiple of `n_classes`.

    >>> p = torch.tensor([0.9, 0.6, 0.25])  # mask 1, 1, 0: 2 (0.9 + 0.6) / (2 + 1.75)
    >>> logits = torch.stack([1 - p, p]).log().reshape(2, 3, 1, 1)
    >>> sums = sum_probabilities(logits, n_classes=2)
    >>> sums.expected_dice.round(4).item(), sums.sure.item(), sums.possible.item()
    (0.8, 1.0, 3.0)
    """
    if logits.ndim != 4 or n_classes < 2 or logits.shape[0] % n_classes:
        raise GridError(f"logits must be (T * {n_classes}, X, Y, Z), {n_classes} at least 2, got {tuple(logits.shape)}")
    phases = np.stack([_sum_phase(phase) for phase in logits.unflatten(0, (-1, n_classes))])
    return ProbabilitySums(*np.moveaxis(phases, 1, 0))


def _sum_phase(logits: torch.Tensor) -> np.ndarray:
    """Logits (C, X, Y, Z) to the sums in the order of `ProbabilitySums`, (5, C - 1, Z) float64."""
    best = logits[1]
    for other in logits[2:]:  # pairwise: no reduction along a strided axis
        best = torch.maximum(best, other)
    counted = best > logits[0] - _LOG_RATIO
    slices = counted.nonzero()[:, 2]
    probabilities = logits[:, counted].softmax(dim=0)
    labels = probabilities.max(dim=0).indices  # the first of equals, as the decision has it
    sums = []
    for label, p in enumerate(probabilities[1:], start=1):
        mask = labels == label
        terms = torch.stack([mask, p * mask, p, p > SURE, p > POSSIBLE]).double()
        sums.append(torch.zeros(5, logits.shape[3], dtype=torch.float64, device=p.device).index_add_(1, slices, terms))
    return torch.stack(sums, dim=1).cpu().numpy()
