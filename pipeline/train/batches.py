"""The step between data loader and network: to the device, augmented there as one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.engines import PrepareBatch

__all__ = ["PrepareAugmentedBatch"]


class PrepareAugmentedBatch(PrepareBatch):
    """MONAI's `prepare_batch` hook for training.

    Args:
        augment: takes and gives (image (N, 1, X, Y) float, label (N, 1, X, Y) integer); a whole batch at once costs
            a few milliseconds, so that the processor stays with the network.
    """

    def __init__(self, augment: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.augment = augment

    def __call__(
        self,
        batchdata: dict[str, torch.Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the augmented (image, label) on `device`; `kwargs` go to `Tensor.to`."""
        image = batchdata["image"].to(device=device, non_blocking=non_blocking, **kwargs)
        label = batchdata["label"].to(device=device, non_blocking=non_blocking)
        return self.augment(image, label)
