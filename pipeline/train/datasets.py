"""Data sets for training: prepared volumes cached on disk, handed out slice by slice."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from monai.data import PersistentDataset
from monai.data.utils import pickle_hashing
from monai.utils import convert_to_tensor
from torch.utils.data import Dataset

from pipeline.core.errors import DatasetError
from pipeline.core.labels import UNLABELLED
from pipeline.train.context import neighbour_indices

_log = logging.getLogger(__name__)

_VOLUMES_A_PROCESS = 8
"""A process takes some seconds to start: as long as preparing about three volumes does."""

__all__ = ["PreparedDataset", "SliceDataset", "content_key", "labelled_stacks"]


def content_key(item: Mapping[str, Any]) -> bytes:
    """Name of a prepared volume: a hash of its files' contents and of whatever else the item says.

    Args:
        item: paths (a file, a folder, or a list of files) under `image` and `label`; anything else is hashed as text.

    Returns:
        Hexadecimal digest, the same wherever the files lie.
    """
    digest = hashlib.sha256()
    for key in sorted(item):
        digest.update(key.encode())
        for file in _files(item[key]) if key in ("image", "label") else ():
            digest.update(file.read_bytes())
        if key not in ("image", "label"):
            digest.update(repr(item[key]).encode())
    return digest.hexdigest().encode()


class PreparedDataset(PersistentDataset):
    """Volumes prepared once and kept on disk, under names made of the files' contents and the preparation's settings.

    So N4 runs once a volume; a changed file or a changed setting is prepared anew, a file that moved is not.

    Args:
        data: datalist of volumes.
        transform: deterministic preparation.
        cache_dir: folder of prepared volumes; `None` prepares anew each time.
        n_processes: prepare many missing volumes at once by up to so many processes; `None`: one for each core.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Callable[[Any], Any],
        *,
        cache_dir: str | None = None,
        n_processes: int | None = None,
    ) -> None:
        # The files are our own writing: metadata, which `Invertd` needs, do not load under `weights_only`.
        super().__init__(
            data=data,
            transform=transform,
            cache_dir=cache_dir,
            hash_func=content_key,
            hash_transform=pickle_hashing,
            track_meta=True,
            weights_only=False,
        )
        if cache_dir is not None and idist.get_world_size() == 1:  # else the processes of the training do it
            self._prepare_missing(n_processes or os.cpu_count() or 1)

    def _prepare_missing(self, n_processes: int) -> None:
        """Fill the cache; a volume that cannot be prepared is left for whoever asks for it to report."""
        missing = [index for index, item in enumerate(self.data) if not self._cached(item).is_file()]
        n_processes = min(n_processes, len(missing) // _VOLUMES_A_PROCESS)
        if n_processes < 2:
            return
        _log.info("preparing %d volumes by %d processes", len(missing), n_processes)
        # started anew, not forked: a fork of a process whose libraries run threads may wait for ever
        with ProcessPoolExecutor(n_processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            list(pool.map(partial(_prepare, self), missing))

    def _cached(self, item: dict[str, Any]) -> Path:
        """The file that `PersistentDataset` keeps an item in."""
        return Path(str(self.cache_dir)) / f"{content_key(item).decode()}{self.transform_hash}.pt"


def _prepare(dataset: PreparedDataset, index: int) -> None:
    try:
        dataset[index]
    except Exception as error:
        _log.debug("volume %d is left for later: %r", index, error)


class SliceDataset(Dataset):
    """The labelled 2D slices of a list of volumes.

    Volumes are prepared once and cached by `PersistentDataset`; their slices are then held in memory (about 0.4 MB
    a slice of 256 x 256 with its label), because a training passes over them many times in random order.

    Args:
        data: datalist of volumes, each a dict with paths under `image` and `label`.
        transform: deterministic preparation; gives tensors (T, X, Y, Z) of one in-plane size under both keys.
        cache_dir: folder of prepared volumes, see `PreparedDataset`.
        context: neighbouring slices on each side that come with a slice as further channels.

    Raises:
        DatasetError: no labelled slice is left.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Callable[[Any], Any],
        *,
        cache_dir: str | None = None,
        context: int = 0,
    ) -> None:
        self.volumes = PreparedDataset(data, transform, cache_dir=cache_dir)
        self.context = context
        self.slices = [one for index in range(len(self.volumes)) for one in _labelled_slices(self.volumes[index])]
        if not self.slices:
            raise DatasetError(f"training needs labelled slices, got none in {len(data)} volumes")

    def __len__(self) -> int:
        """Number of labelled slices."""
        return len(self.slices)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """`image` (1 + 2 * context, X, Y) float32 and `label` (1, X, Y) uint8 of one slice."""
        stack, place, label = self.slices[index]
        neighbours = neighbour_indices(len(stack), self.context)[place]
        return {"image": stack[neighbours], "label": label}


def _files(source: str | Path | Sequence[str | Path]) -> list[Path]:
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(path) for path in source]
    return [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]


def labelled_stacks(volume: dict[str, Any]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Image (Z, X, Y) float32 and label (Z, X, Y) uint8 of each phase in which something is labelled.

    Args:
        volume: tensors (T, X, Y, Z) under `image` and `label`.
    """
    images, labels = _stacks(volume["image"]).float(), _stacks(volume["label"]).to(torch.uint8)
    return [(image, label) for image, label in zip(images, labels, strict=True) if _any_labelled(label)]


def _labelled_slices(volume: dict[str, Any]) -> list[tuple[torch.Tensor, int, torch.Tensor]]:
    """The stack (Z, X, Y) of each slice's phase, the slice's place in it, and its label (1, X, Y), where it has one."""
    return [
        (stack, place, label[place, None])
        for stack, label in labelled_stacks(volume)
        for place in range(len(stack))
        if _any_labelled(label[place])
    ]


def _any_labelled(label: torch.Tensor) -> bool:
    return bool((label != UNLABELLED).any())


def _stacks(volume: torch.Tensor) -> torch.Tensor:
    """(T, X, Y, Z) -> (T, Z, X, Y), without MONAI's metadata, which would be copied at every access."""
    plain: torch.Tensor = convert_to_tensor(volume, track_meta=False)
    return plain.permute(0, 3, 1, 2).contiguous()
