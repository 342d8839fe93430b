"""Networks in 3D: how they get stacks of slices to learn from, and how they are run over a cine.

They take (N, 1, X, Y, Z) and give logits (N, C, X, Y, Z). Until the network, a stack's slices stand in the channel
axis, so that what prepares and augments slices serves stacks as well, each changed as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.core.labels import UNLABELLED
from pipeline.train.batches import PrepareFurther
from pipeline.train.datasets import PreparedDataset, labelled_stacks
from pipeline.train.inferers import CineInferer, Forward

__all__ = ["PrepareStacks", "StackDataset", "StackInferer"]


class StackDataset(Dataset):
    """Neighbouring slices, a stack of each phase that has a label, begun at a random slice at every access.

    The random number comes from torch's default generator. Held in memory as by `SliceDataset`.

    Args:
        data: datalist of volumes, each a dict with paths under `image` and `label`.
        transform: deterministic preparation; gives tensors (T, X, Y, Z) of one in-plane size under both keys.
        cache_dir: folder of prepared volumes, see `PreparedDataset`.
        context: 0, for the network sees all neighbours anyway.
        depth: slices of a stack. Where a phase has fewer, the last one is repeated, unlabelled.

    Raises:
        ConfigError: another context, or no slice.
        DatasetError: no labelled slice is left.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Callable[[Any], Any],
        *,
        cache_dir: str | None = None,
        context: int = 0,
        depth: int = 8,
    ) -> None:
        _refuse(context)
        if depth < 1:
            raise ConfigError(f"`depth` of a stack must be 1 slice or more, got {depth}")
        volumes = PreparedDataset(data, transform, cache_dir=cache_dir)
        self.stacks = [stack for index in range(len(volumes)) for stack in labelled_stacks(volumes[index])]
        self.depth = depth
        if not self.stacks:
            raise DatasetError(f"training needs labelled slices, got none in {len(data)} volumes")

    def __len__(self) -> int:
        """Number of phases that have a label."""
        return len(self.stacks)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """`image` (depth, X, Y) float32 and `label` (depth, X, Y) uint8."""
        image, label = self.stacks[index]
        last = len(image) - 1
        places = int(torch.randint(max(len(image) - self.depth, 0) + 1, ())) + torch.arange(self.depth)
        chosen = label[places.clamp(max=last)]
        chosen[places > last] = UNLABELLED
        return {"image": image[places.clamp(max=last)], "label": chosen}


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
        _refuse(context)
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


def _refuse(context: int) -> None:
    if context:
        raise ConfigError(f"a network in 3D sees whole stacks: `context` must be 0, got {context}")
