"""Crop training slices around the heart, the region that inference uses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import BorderPad, MapTransform, SpatialCrop
from monai.utils import convert_to_tensor

from pipeline.core.labels import BACKGROUND, PARTIAL, UNLABELLED

__all__ = ["CentreOnHeartd", "heart_centre"]


def heart_centre(label: torch.Tensor) -> tuple[int, int]:
    """Centre of the box around everything labelled in a label map (T, X, Y, Z), over all phases and slices, in pixels.

    The centre of the image if nothing is labelled.
    """
    heart = ((label > BACKGROUND) & (label < PARTIAL)).any(dim=3).any(dim=0)
    if not heart.any():
        return label.shape[1] // 2, label.shape[2] // 2
    x, y = (heart.any(dim=1 - axis).nonzero() for axis in (0, 1))
    return int(x.min() + x.max() + 1) // 2, int(y.min() + y.max() + 1) // 2


class CentreOnHeartd(MapTransform):
    """Crop slices of one size centred on the heart. Anything outside the image is padded.

    A slice of a label map in which nothing is labelled stays so, padding included.

    Args:
        keys: of images and labels (T, X, Y, Z) on one grid.
        label_key: of the label map among them.
        size: (x, y) of the result in pixels.
        mode: of the padding, one for each key, as `BorderPad` names them.
    """

    def __init__(self, keys: KeysCollection, *, label_key: str, size: Sequence[int], mode: Sequence[str]) -> None:
        super().__init__(keys)
        self.label_key = label_key
        self.size = (int(size[0]), int(size[1]))
        margin = [pixels for pixels in self.size for _ in range(2)]
        self.pads = [BorderPad([*margin, 0, 0], mode=name) for name in mode]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Pad by the window's size on each side, so that no window leaves the image, then crop.

        The result is a copy: a view would carry the padded image, ten times its size, into the cache on disk.
        """
        cut = dict(data)
        label = convert_to_tensor(cut[self.label_key], track_meta=False)
        centre, nowhere = heart_centre(label), (label == UNLABELLED).all(dim=2, keepdim=True).all(dim=1, keepdim=True)
        for key, pad in zip(self.key_iterator(cut), self.pads, strict=True):
            n_slices = cut[key].shape[3]
            low = [place + size - size // 2 for place, size in zip(centre, self.size, strict=True)]
            high = [start + size for start, size in zip(low, self.size, strict=True)]
            cut[key] = SpatialCrop(roi_start=[*low, 0], roi_end=[*high, n_slices])(pad(cut[key])).clone()
        cut[self.label_key] = cut[self.label_key].masked_fill_(nowhere, UNLABELLED)
        return cut
