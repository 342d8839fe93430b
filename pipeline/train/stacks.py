"""Batches of stacks as the input of 3D networks.

3D networks take (N, 1, X, Y, Z). Up to the network a stack's slices are the channel axis, so that the preparation and
augmentation of slices also work for stacks, each changed as a whole.
"""

from __future__ import annotations

import torch

from pipeline.infer.stacks import as_volumes
from pipeline.train.batches import PrepareFurther

__all__ = ["PrepareStacks"]


class PrepareStacks(PrepareFurther):
    """MONAI's `prepare_batch` hook that gives stacks their third axis.

    Args:
        prepare: makes (image (N, Z, X, Y), label (N, Z, X, Y)) of a batch, as `PrepareAugmentedBatch` does.
    """

    def further(self, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and label, (N, 1, X, Y, Z) each."""
        return as_volumes(image), as_volumes(label)
