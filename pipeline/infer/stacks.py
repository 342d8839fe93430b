"""How a network in 3D is run over a cine: it takes (N, 1, X, Y, Z) and gives logits (N, C, X, Y, Z)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.core.errors import ConfigError
from pipeline.infer.cine import CineInferer, Forward

__all__ = ["StackInferer", "as_volumes"]


def as_volumes(slices: torch.Tensor) -> torch.Tensor:
    """Give stacks of slices their third axis: (N, Z, X, Y) -> (N, 1, X, Y, Z)."""
    return slices.movedim(1, -1).unsqueeze(1)


class StackInferer(CineInferer):
    """Runs a 3D network over a cine, the whole stack of a phase at once. Windows are cut only in plane.

    Args:
        roi_size: in-plane window (x, y) in pixels that the network was trained with.
        context: 0, since the network sees all neighbours anyway.
        settings: as for `CineInferer`. `batch_slices` is rounded to whole stacks, at least one.

    Raises:
        ConfigError: a context other than 0.
    """

    def __init__(self, roi_size: tuple[int, int], *, context: int = 0, **settings: Any) -> None:
        if context:
            raise ConfigError(f"a network in 3D sees whole stacks: `context` must be 0, got {context}")
        super().__init__(roi_size, **settings)

    def _batches(self, stacks: torch.Tensor) -> Sequence[torch.Tensor]:
        return stacks.unbind(0)

    def _slide(self, slices: torch.Tensor, forward: Forward, *, n_windows: int) -> torch.Tensor:
        """One stack (Z, 1, X, Y) to logits (Z, C, X, Y): windows over one image whose channels are the slices."""

        def fold(windows: torch.Tensor) -> torch.Tensor:
            return forward(as_volumes(windows)).movedim(-1, 1).flatten(1, 2)

        logits = super()._slide(slices.transpose(0, 1), fold, n_windows=max(1, n_windows // len(slices)))
        return logits.reshape(len(slices), -1, *slices.shape[2:])
