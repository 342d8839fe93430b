"""Networks in 3D: how a batch of stacks becomes their input, and how they are run over a cine.

They take (N, 1, X, Y, Z) and give logits (N, C, X, Y, Z). Until the network, a stack's slices stand in the channel
axis, so that what prepares and augments slices serves stacks as well, each changed as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.core.errors import ConfigError
from pipeline.train.batches import PrepareFurther
from pipeline.train.inferers import CineInferer, Forward

__all__ = ["PrepareStacks", "StackInferer"]


class PrepareStacks(PrepareFurther):
    """MONAI's `prepare_batch` hook that gives stacks their third axis.

    Args:
        prepare: makes (image (N, Z, X, Y), label (N, Z, X, Y)) of a batch, as `PrepareAugmentedBatch` does.
    """

    def further(self, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and label, (N, 1, X, Y, Z) each."""
        return _as_volumes(image), _as_volumes(label)


class StackInferer(CineInferer):
    """Runs a network in 3D over a cine, the whole stack of a phase at once; windows are cut in-plane alone.

    Args:
        roi_size: in-plane window (x, y) in pixels that the network was trained with.
        context: 0, for the network sees all neighbours anyway.
        settings: as of `CineInferer`; `batch_slices` is kept to by whole stacks, one at least.

    Raises:
        ConfigError: another context.
    """

    def __init__(self, roi_size: tuple[int, int], *, context: int = 0, **settings: Any) -> None:
        if context:
            raise ConfigError(f"a network in 3D sees whole stacks: `context` must be 0, got {context}")
        super().__init__(roi_size, **settings)

    def _batches(self, stacks: torch.Tensor) -> Sequence[torch.Tensor]:
        return stacks.unbind(0)

    def _slide(self, slices: torch.Tensor, forward: Forward, *, n_windows: int) -> torch.Tensor:
        """One stack (Z, 1, X, Y) to logits (Z, C, X, Y): windows over one image whose channels are the slices."""

        def folded(windows: torch.Tensor) -> torch.Tensor:
            return forward(_as_volumes(windows)).movedim(-1, 1).flatten(1, 2)

        logits = super()._slide(slices.transpose(0, 1), folded, n_windows=max(1, n_windows // len(slices)))
        return logits.reshape(len(slices), -1, *slices.shape[2:])


def _as_volumes(slices: torch.Tensor) -> torch.Tensor:
    """(N, Z, X, Y) -> (N, 1, X, Y, Z)."""
    return slices.movedim(1, -1).unsqueeze(1)
