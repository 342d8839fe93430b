"""The step between data loader and network: to the device, augmented there as one batch, and whatever else it takes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.engines import PrepareBatch

from pipeline.core.labels import PARTIAL, UNLABELLED, members, one_of

__all__ = ["PrepareAugmentedBatch", "PrepareFurther"]


class PrepareAugmentedBatch(PrepareBatch):
    """MONAI's `prepare_batch` hook for training.

    Args:
        augment: takes and gives (image (N, 1, X, Y) float, label (N, 1, X, Y) integer). A whole batch at once costs
            a few milliseconds, so the processor is left to the network.
        classes: the network's class for each of our label values, by index (`None`: the values themselves). So one
            prepared set serves networks that segment different structures.
    """

    def __init__(
        self,
        augment: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
        *,
        classes: Sequence[int] | None = None,
    ) -> None:
        self.augment = augment
        self._table = None if classes is None else _class_table(classes)

    def __call__(
        self,
        batchdata: dict[str, torch.Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the augmented (image, label) on `device`. `kwargs` go to `Tensor.to`."""
        image = batchdata["image"].to(device=device, non_blocking=non_blocking, **kwargs)
        label = batchdata["label"].to(device=device, non_blocking=non_blocking)
        image, label = self.augment(image, label)
        if self._table is None:
            return image, label
        self._table = self._table.to(label.device)
        return image, self._table[label.long()]


class PrepareFurther(PrepareBatch):
    """A `prepare_batch` hook that wraps another one, for networks that do not learn from (image, label).

    Args:
        prepare: makes (image, label) of a batch, as `PrepareAugmentedBatch` does.
    """

    def __init__(self, prepare: Callable[..., tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.prepare = prepare

    def __call__(
        self,
        batchdata: dict[str, torch.Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Return the result of `further` for image and label. Arguments go to `prepare`."""
        return self.further(*self.prepare(batchdata, device, non_blocking, **kwargs))

    @abstractmethod
    def further(self, image: torch.Tensor, label: torch.Tensor) -> tuple[Any, ...]:
        """The tuple for MONAI's trainer: input and target, or these and extra arguments of the network."""


def _class_table(classes: Sequence[int]) -> torch.Tensor:
    """Class of each label value, (256,). A partial value becomes that of its members' classes."""
    table = torch.full((256,), UNLABELLED, dtype=torch.uint8)
    table[: len(classes)] = torch.tensor(classes, dtype=torch.uint8)
    for value in range(PARTIAL + 1, UNLABELLED):
        if max(members(value)) < len(classes):
            table[value] = one_of(classes[member] for member in members(value))
    return table
