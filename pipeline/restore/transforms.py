"""MONAI wrappers around this package's functions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_numpy

from pipeline.restore.cleanup import keep_largest_component
from pipeline.restore.decide import decide_labels

__all__ = ["KeepLargestComponentd", "ToLabelMapd"]


class KeepLargestComponentd(MapTransform):
    """Keep each structure's largest piece in each phase, see `cleanup.keep_largest_component`; metadata stay.

    Args:
        keys: of the label maps, (T, X, Y, Z).
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the label map under each key."""
        cleaned = dict(data)
        for key in self.key_iterator(cleaned):
            labels = cleaned[key]
            kept = keep_largest_component(convert_to_numpy(labels))
            cleaned[key] = convert_to_dst_type(kept, labels)[0]
        return cleaned


class ToLabelMapd(MapTransform):
    """Logits (T*C, X, Y, Z) to a label map (T, X, Y, Z) uint8, see `decide.decide_labels`; metadata stay.

    Args:
        keys: of the logits.
        n_classes: classes a phase.
    """

    def __init__(self, keys: KeysCollection, *, n_classes: int) -> None:
        super().__init__(keys)
        self.n_classes = n_classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the logits under each key."""
        decided = dict(data)
        for key in self.key_iterator(decided):
            logits = decided[key]
            plain = logits.as_tensor() if isinstance(logits, MetaTensor) else logits
            labels = decide_labels(plain, n_classes=self.n_classes)
            decided[key] = MetaTensor(labels, meta=logits.meta) if isinstance(logits, MetaTensor) else labels
        return decided
