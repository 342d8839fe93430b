"""MONAI wrappers around this package's functions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type, convert_to_numpy, convert_to_tensor, ensure_tuple_rep
from monai.utils.enums import MetaKeys

from pipeline.infer.cine import POSE_SCORES
from pipeline.infer.cleanup import keep_largest_component, remove_impossible
from pipeline.infer.confidence import sum_probabilities
from pipeline.infer.decide import decide_labels
from pipeline.infer.pose import find_pose
from pipeline.prepare.view import standard_view

__all__ = ["EstimateConfidenced", "KeepLargestComponentd", "RemoveImpossibled", "TellPosed", "ToLabelMapd"]


class EstimateConfidenced(MapTransform):
    """How sure the logits are of the label map that they give, see `confidence.sum_probabilities`. They pass through.

    Place it before the inversion, while the logits are on the network's grid. The result goes to a key of its own,
    since the inversion replaces metadata.

    Args:
        keys: of the logits, (T*C, X, Y, Z).
        n_classes: classes per phase, the first of them the background.
        confidence_keys: each receives `core.probability_sums.ProbabilitySums`.
    """

    def __init__(self, keys: KeysCollection, *, n_classes: int, confidence_keys: KeysCollection = "confidence") -> None:
        super().__init__(keys)
        self.n_classes = n_classes
        self.confidence_keys = ensure_tuple_rep(confidence_keys, len(self.keys))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the confidence of each key's logits."""
        estimated = dict(data)
        for key, confidence_key in self.key_iterator(data, self.confidence_keys):
            logits = convert_to_tensor(estimated[key], track_meta=False)
            estimated[confidence_key] = sum_probabilities(logits, n_classes=self.n_classes)
        return estimated


class RemoveImpossibled(MapTransform):
    """Remove stray pieces and fill holes in each phase, see `cleanup.remove_impossible`. Metadata are kept.

    Args:
        keys: of the label maps, (T, X, Y, Z).
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the label map under each key."""
        return _replace_labels(self, data, remove_impossible)


class KeepLargestComponentd(MapTransform):
    """Keep each structure's largest piece in each phase, see `cleanup.keep_largest_component`. Metadata are kept.

    Args:
        keys: of the label maps, (T, X, Y, Z).
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the label map under each key."""
        return _replace_labels(self, data, keep_largest_component)


class TellPosed(MapTransform):
    """How slices were laid down, as a `PoseFinding`, where the inferer has looked for the pose; logits pass through.

    It stands before the inversion, which replaces the metadata that tell it.

    Args:
        keys: of the logits, (T*C, X, Y, Z).
        pose_keys: each receives the finding; none where no pose was looked for.
    """

    def __init__(self, keys: KeysCollection, *, pose_keys: KeysCollection = "pose") -> None:
        super().__init__(keys)
        self.pose_keys = ensure_tuple_rep(pose_keys, len(self.keys))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add what was found of each key's pose."""
        told = dict(data)
        for key, pose_key in self.key_iterator(data, self.pose_keys):
            meta = getattr(told[key], "meta", {})
            if POSE_SCORES in meta:
                *scores, header_tells = np.asarray(meta[POSE_SCORES], dtype=float).ravel().tolist()
                affine = np.asarray(meta[MetaKeys.ORIGINAL_AFFINE], dtype=float).reshape(4, 4)
                by_header = standard_view(affine).pose
                told[pose_key] = find_pose(np.array(scores), header_pose=by_header, header_tells=bool(header_tells))
        return told


class ToLabelMapd(MapTransform):
    """Logits (T*C, X, Y, Z) to a label map (T, X, Y, Z) uint8, see `decide.decide_labels`. Metadata are kept.

    Args:
        keys: of the logits.
        n_classes: classes per phase.
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


def _replace_labels(
    transform: MapTransform, data: Mapping[Hashable, Any], clean: Callable[[np.ndarray], np.ndarray]
) -> dict[Hashable, Any]:
    """Clean the label map under each of the transform's keys."""
    cleaned = dict(data)
    for key in transform.key_iterator(cleaned):
        labels = cleaned[key]
        cleaned[key] = convert_to_dst_type(clean(convert_to_numpy(labels)), labels)[0]
    return cleaned
