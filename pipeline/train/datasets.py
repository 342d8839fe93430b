"""Training data in the memory of the training's device: slices, or neighbouring slices of a stack.

A batch is an index into tensors that are there already. Nothing is loaded, collated or moved while a network trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import ignite.distributed as idist
import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch.utils.data import Dataset

from pipeline.core.errors import ConfigError, DatasetError
from pipeline.core.labels import UNLABELLED
from pipeline.core.prepared import PreparedStack
from pipeline.infer.context import neighbour_indices
from pipeline.train.prepared import prepare_stacks
from pipeline.train.whole_batch import draw, require_samples, share_of

__all__ = ["Batches", "SliceDataset", "SliceMemory", "StackDataset", "VolumeDataset"]

_OFFSET = 32768
"""Stored intensities lie in int16, for no device indexes uint16: this is added when they are read."""


class SliceMemory:
    """The slices of all stacks, concatenated, on one device.

    Args:
        stacks: prepared stacks of one in-plane size.
        device: device of the tensors.

    Attributes:
        first: (N,) index of each stack's first slice.
        n_slices: (N,) slices of each stack.
        labelled: (S,) whether anything is labelled in a slice.

    Raises:
        DatasetError: no labelled slice, or slices of several sizes.
    """

    def __init__(self, stacks: Sequence[PreparedStack], *, device: torch.device | str = "cpu") -> None:
        if not any(len(stack.labelled_slices) for stack in stacks):
            raise DatasetError(f"training needs labelled slices, got none in {len(stacks)} stacks")
        sizes = sorted({stack.stored.shape[1:] for stack in stacks})
        if len(sizes) > 1:
            raise DatasetError(f"training needs slices of one size, got {sizes[:4]}")
        self.device = torch.device(device)
        counts = [len(stack.stored) for stack in stacks]
        self.n_slices = torch.tensor(counts, device=device)
        self.first = self.n_slices.cumsum(0) - self.n_slices
        is_wide = any(stack.stored.dtype == np.uint16 for stack in stacks)
        stored = np.concatenate([stack.stored for stack in stacks])
        self._offset = _OFFSET if is_wide else 0
        self._stored = torch.from_numpy((stored ^ 0x8000).view(np.int16) if is_wide else stored).to(device)
        self._label = torch.from_numpy(np.concatenate([stack.label for stack in stacks])).to(device)
        self._low, self._step = (
            torch.repeat_interleave(torch.tensor([getattr(stack, name) for stack in stacks]), torch.tensor(counts))
            .float()
            .to(device)
            for name in ("low", "step")
        )
        self.labelled = (self._label != UNLABELLED).flatten(1).any(1)

    def image(self, places: torch.Tensor) -> torch.Tensor:
        """Intensities of slices by index: (...) -> (..., X, Y) float32."""
        scale, low = (values[places][..., None, None] for values in (self._step, self._low))
        return (self._stored[places].float() + self._offset) * scale + low

    def label(self, places: torch.Tensor) -> torch.Tensor:
        """Labels of slices by index: (...) -> (..., X, Y) uint8, a copy."""
        return self._label[places]


class Batched(Protocol):
    """A data set that `Batches` draws from."""

    memory: SliceMemory

    def __len__(self) -> int:
        """Number of samples."""

    def batch(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        """`image` and `label` of the samples (N,), channels second."""


class SliceDataset(Dataset):
    """The labelled slices of a list of cases, each with its neighbours as extra channels.

    Args:
        data: data list, see `prepared.prepare_stacks`.
        transform: deterministic preparation to one in-plane size, as there.
        cache_dir: folder of previously prepared cases.
        context: neighbouring slices on each side that come with a slice.
        device: device of the slices.

    Raises:
        DatasetError: no labelled slice, or slices of several sizes.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Callable[[Any], Any],
        *,
        cache_dir: str | None = None,
        context: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.memory = SliceMemory(prepare_stacks(data, transform, cache_dir=cache_dir), device=device)
        counts = self.memory.n_slices.tolist()
        around = [
            neighbour_indices(n, context).to(device) + first for n, first in zip(counts, self.memory.first, strict=True)
        ]
        self._neighbours = torch.cat(around)[self.memory.labelled]
        self._places = self.memory.labelled.nonzero().flatten()

    def __len__(self) -> int:
        """Number of labelled slices."""
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """`image` (1 + 2 * context, X, Y) float32 and `label` (1, X, Y) uint8 of one slice."""
        return _one_of(self, index)

    def batch(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        """`image` (N, 1 + 2 * context, X, Y) float32 and `label` (N, 1, X, Y) uint8."""
        return {
            "image": self.memory.image(self._neighbours[indices]),
            "label": self.memory.label(self._places[indices]).unsqueeze(1),
        }


class StackDataset(Dataset):
    """Stacks of neighbouring slices, one of each labelled phase, from a new random first slice at every access.

    The random number comes from torch's default generator.

    Args:
        data: data list, see `prepared.prepare_stacks`.
        transform: deterministic preparation to one in-plane size, as there.
        cache_dir: folder of what was prepared before.
        context: 0, since the network sees all neighbours anyway.
        depth: slices of a stack. If a phase has fewer, the last one is repeated, unlabelled.
        device: device of the slices.

    Raises:
        ConfigError: a context other than 0, or a depth below 1.
        DatasetError: no labelled slice, or slices of several sizes.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Callable[[Any], Any],
        *,
        cache_dir: str | None = None,
        context: int = 0,
        depth: int = 8,
        device: torch.device | str = "cpu",
    ) -> None:
        if context:
            raise ConfigError(f"a network in 3D sees whole stacks: `context` must be 0, got {context}")
        if depth < 1:
            raise ConfigError(f"`depth` of a stack must be 1 slice or more, got {depth}")
        self.memory = SliceMemory(prepare_stacks(data, transform, cache_dir=cache_dir), device=device)
        self.depth = depth

    def __len__(self) -> int:
        """Number of phases that have a label."""
        return len(self.memory.first)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """`image` (depth, X, Y) float32 and `label` (depth, X, Y) uint8."""
        return _one_of(self, index)

    def batch(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        """`image` (N, depth, X, Y) float32 and `label` (N, depth, X, Y) uint8."""
        first, n_slices = self.memory.first[indices, None], self.memory.n_slices[indices, None]
        n_starts = (n_slices - self.depth).clamp(min=0) + 1
        start = (draw(torch.rand, len(indices), 1, device=self.memory.device) * n_starts).long()
        within = start + torch.arange(self.depth, device=self.memory.device)
        places = first + torch.minimum(within, n_slices - 1)
        label = self.memory.label(places).masked_fill((within >= n_slices)[..., None, None], UNLABELLED)
        return {"image": self.memory.image(places), "label": label}


class Batches:
    """Batches of a data set in a new random order at each pass, in place of a data loader.

    The order comes from torch's default generator. In a distributed training every process takes its own part of each
    batch, so that the batches are those of a single process.

    Args:
        dataset: `SliceDataset` or `StackDataset`.
        batch_size: samples of a batch, of all processes together. The last, smaller batch of a pass is dropped, since
            one sample is too few for batch normalisation. If there are fewer samples than one batch, they make one.

    Raises:
        ConfigError: a batch size below 1, or one that the processes cannot share equally.
    """

    def __init__(self, dataset: Batched, *, batch_size: int) -> None:
        if batch_size < 1:
            raise ConfigError(f"`batch_size` must be at least 1, got {batch_size}")
        if batch_size % idist.get_world_size():
            raise ConfigError(
                f"`batch_size` must be a multiple of the number of processes, which share a batch, got {batch_size} "
                f"for {idist.get_world_size()}"
            )
        require_samples(len(dataset), of="training slices or stacks")
        self.dataset = dataset
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Number of batches in a pass."""
        return max(1, len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """Draw an order, then give its batches, or this process's part of each."""
        order = torch.randperm(len(self.dataset))
        n_processes = idist.get_world_size()
        if n_processes > 1:
            order = cast(torch.Tensor, idist.broadcast(order.to(idist.device()), src=0)).cpu()
        for indices in order.to(self.dataset.memory.device).split(self.batch_size)[: len(self)]:
            equal = len(indices) // n_processes * n_processes  # of a set smaller than a batch, too
            yield self.dataset.batch(share_of(indices[:equal]))


class VolumeDataset(Dataset):
    """The labelled phases of a list of cases as volumes, to validate on as training sees them.

    Args:
        data: data list, see `prepared.prepare_stacks`.
        transform: deterministic preparation, as there.
        cache_dir: folder of what was prepared before.

    Raises:
        DatasetError: no labelled phase.
    """

    def __init__(
        self, data: Sequence[dict[str, Any]], transform: Callable[[Any], Any], *, cache_dir: str | None = None
    ) -> None:
        self.stacks = prepare_stacks(data, transform, cache_dir=cache_dir)
        if not self.stacks:
            raise DatasetError(f"validation needs labelled phases, got none in {len(data)} cases")

    def __len__(self) -> int:
        """Number of labelled phases."""
        return len(self.stacks)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """`image` (1, X, Y, Z) float32 and `label` (1, X, Y, Z) uint8 as `MetaTensor`, `patient` and `phase`."""
        stack = self.stacks[index]
        affine = torch.diag(torch.tensor([*stack.spacing_mm, 1.0], dtype=torch.float64))
        volumes = {
            key: MetaTensor(torch.from_numpy(np.moveaxis(slices, 0, -1)[None].copy()), affine=affine)
            for key, slices in (("image", stack.image), ("label", stack.label))
        }
        return volumes | {"patient": stack.patient, "phase": stack.phase}


def _one_of(dataset: Batched, index: int) -> dict[str, torch.Tensor]:
    if not 0 <= index < len(dataset):
        raise IndexError(index)
    indices = torch.tensor([index], device=dataset.memory.device)
    return {key: value[0] for key, value in dataset.batch(indices).items()}
