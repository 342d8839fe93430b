"""Networks in 3D: how a batch of stacks becomes their input.

They take (N, 1, X, Y, Z). Until the network, a stack's slices stand in the channel axis, so that what prepares and
augments slices serves stacks as well, each changed as a whole.
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
