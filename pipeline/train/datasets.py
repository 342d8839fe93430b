"""Data sets for training: prepared volumes cached on disk, handed out slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.data import PersistentDataset
from torch.utils.data import Dataset

from pipeline.core.errors import DatasetError
from pipeline.core.labels import UNLABELLED

__all__ = ["SliceDataset"]


class SliceDataset(Dataset):
    """The labelled 2D slices of a list of volumes.

    Volumes are prepared once and cached by `PersistentDataset`; their slices are then held in memory (about 0.4 MB
    a slice of 256 x 256 with its label), because a training passes over them many times in random order.

    Args:
        data: datalist of volumes, each a dict with paths under `image` and `label`.
        transform: deterministic preparation; gives tensors (T, X, Y, Z) of one in-plane size under both keys.
        cache_dir: folder of prepared volumes; `None` prepares anew each time.
        hash_func: names a cached volume after an item's content and the settings.

    Raises:
        DatasetError: no labelled slice is left.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Callable[[Any], Any],
        *,
        cache_dir: str | None = None,
        hash_func: Callable[..., bytes] | None = None,
    ) -> None:
        named = {} if hash_func is None else {"hash_func": hash_func}
        self.volumes = PersistentDataset(data=data, transform=transform, cache_dir=cache_dir, **named)
        self.slices = [pair for index in range(len(self.volumes)) for pair in _labelled_slices(self.volumes[index])]
        if not self.slices:
            raise DatasetError(f"training needs labelled slices, got none in {len(data)} volumes")

    def __len__(self) -> int:
        """Number of labelled slices."""
        return len(self.slices)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """`image` (1, X, Y) float32 and `label` (1, X, Y) uint8 of one slice."""
        image, label = self.slices[index]
        return {"image": image, "label": label}


def _labelled_slices(volume: dict[str, Any]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Split a prepared volume (T, X, Y, Z) into slices; those without any label are left out."""
    images = _plain(volume["image"]).float().permute(0, 3, 1, 2).flatten(0, 1).unsqueeze(1).contiguous()
    labels = _plain(volume["label"]).to(torch.uint8).permute(0, 3, 1, 2).flatten(0, 1).unsqueeze(1).contiguous()
    return [pair for pair in zip(images, labels, strict=True) if bool((pair[1] != UNLABELLED).any())]


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Drop MONAI's metadata, which would be copied at every access."""
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
