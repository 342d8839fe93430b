"""What some networks need otherwise of a training: entries that name what exists."""

from __future__ import annotations

from collections.abc import Iterator
from pydoc import locate
from typing import Any

from pipeline.networks.registry import NETWORKS
from pipeline.train.by_network import entries_of


def _targets(entry: Any) -> Iterator[str]:
    if isinstance(entry, dict):
        yield from (value for key, value in entry.items() if key.endswith("_target_"))
        for value in entry.values():
            yield from _targets(value)


def test_only_few_networks_need_anything() -> None:
    assert {name for name in NETWORKS if entries_of(name)} == {"unet3d", "vnet", "mask_rcnn", "wnet"}


def test_what_they_need_exists() -> None:
    targets = [target for name in NETWORKS for target in _targets(dict(entries_of(name)))]
    assert "pipeline.parts.StackInferer" in targets
    assert all(locate(target) for target in targets)
