"""Changes to a bundle's configurations for networks that do not train on slices and labels like the others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.networks.registry import NETWORKS

__all__ = ["entries_of"]


def entries_of(name: str) -> Mapping[str, Any]:
    """Entries of a configuration, id -> code, that this network needs besides its definition. Most need none."""
    return _STACKS if NETWORKS[name].in_3d else _OWN.get(name, {})


def _prepare_by(target: str) -> dict[str, Any]:
    """The entry of a training that makes network input of a batch: `target` around the usual augmentation."""
    usual = {"_target_": "pipeline.parts.PrepareAugmentedBatch", "augment": "@augment"}
    return {"train#trainer#prepare_batch": {"_target_": target, "prepare": usual}}


_STACKS = {
    "train#dataset": {
        "_target_": "pipeline.parts.StackDataset",
        "data": "$@split[0]",
        "transform": "@train#preprocessing",
        "cache_dir": "@cache_dir",
        "context": "@context",
        "device": "@device",
        "depth": 8,
    },
    **_prepare_by("pipeline.parts.PrepareStacks"),
    "batch_size": 2,
    "validate#inferer#_target_": "pipeline.parts.StackInferer",
    "inferer#_target_": "pipeline.parts.StackInferer",
    "network_data_format#inputs#image#spatial_shape": ["n", "n", "n"],
    "network_data_format#outputs#pred#spatial_shape": ["n", "n", "n"],
}
"""Entries of every network in 3D: a batch is two stacks of eight slices."""

_OWN = MappingProxyType(
    {
        "mask_rcnn": {
            "loss_function": {"_target_": "pipeline.parts.SumOfTerms"},
            **_prepare_by("pipeline.parts.PrepareWithLabels"),
        },
        "wnet": {
            "loss_function": {"_target_": "pipeline.parts.CutAndReconstruction"},
            **_prepare_by("pipeline.parts.PrepareWithoutLabels"),
        },
    }
)
