"""Training of networks that compare their own outputs with the labels, as detectors must to sample boxes.

In training, such a network gives the terms of its loss for (images, labels). MONAI's trainer passes on whatever a
`prepare_batch` adds, so inferer, precision, processes and handlers are the same as in every training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.core.labels import PARTIAL, UNLABELLED
from pipeline.train.batches import PrepareFurther

__all__ = ["PrepareWithLabels", "SumOfTerms"]

Prepared = tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...], dict[str, Any]]


class PrepareWithLabels(PrepareFurther):
    """MONAI's `prepare_batch` hook that gives a network the labels as well as the images.

    Args:
        prepare: makes (image, label) of a batch, as `PrepareAugmentedBatch` does.
    """

    def further(self, image: torch.Tensor, label: torch.Tensor) -> Prepared:
        """Return image, label, and for the network's call the label once more.

        Raises:
            ConfigError: partial labels, for a detector would learn that what was not drawn is not there.
        """
        if bool(((label > PARTIAL) & (label != UNLABELLED)).any()):
            raise ConfigError("a network that draws boxes needs labels of all structures, got some that leave any out")
        return image, label, (label,), {}


class SumOfTerms(nn.Module):
    """Weighted sum of the terms that a network has computed itself.

    Args:
        weights: one for each term, 0 or more (`None`: 1 each, as in Mask R-CNN).

    Raises:
        ConfigError: a negative weight.
    """

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if weights is not None and any(weight < 0 for weight in weights):
            raise ConfigError(f"`weights` of a loss's terms must be 0 or more, got {list(weights)}")
        self.weights = None if weights is None else tuple(weights)

    def forward(self, terms: Sequence[torch.Tensor], labels: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return the scalar loss.

        Args:
            terms: scalars, as many as there are weights.
            labels: ignored (trainers give them to every loss).

        Raises:
            ConfigError: another number of terms than of weights.
        """
        weights = (1.0,) * len(terms) if self.weights is None else self.weights
        if len(weights) != len(terms):
            raise ConfigError(f"a loss of {len(terms)} terms needs as many weights, got {len(weights)}")
        return torch.stack([weight * term for weight, term in zip(weights, terms, strict=True)]).sum()
