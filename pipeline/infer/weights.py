"""A bundle's weights as a file: read without running anything, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline.core.errors import BundleError
from pipeline.infer.digests import check_digest

__all__ = ["load_weights", "read_weights", "save_whole"]


def save_whole(states: Mapping[str, Any], path: Path) -> None:
    """Save states atomically: the file is the old or the new one, never a part. Parent folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(dict(states), partial)
    partial.replace(path)


def load_weights(
    network: torch.nn.Module, path: str | Path, *, bundle_root: str | Path | None = None
) -> torch.nn.Module:
    """Load a bundle's weights into a network, strictly, without unpickling code.

    Args:
        network: receives the weights in place.
        path: a file with a bare state dict, or one under the key "model". Half precision is converted.
        bundle_root: the bundle's folder. If its metadata state the file's SHA-256, it must be that one.

    Returns:
        The same network.

    Raises:
        BundleError: the file is missing, damaged, no weights file, or belongs to another network.
    """
    states = read_weights(path, bundle_root=bundle_root)
    try:
        network.load_state_dict(states)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"weights at {path} do not fit the bundle's network: {reason}") from error
    return network


def read_weights(path: str | Path, *, bundle_root: str | Path | None = None) -> dict[str, torch.Tensor]:
    """Read a weights file, see `load_weights`: name of each tensor -> tensor, on the CPU.

    Raises:
        BundleError: the file is missing, damaged, or no weights file.
    """
    if not Path(path).is_file():
        raise BundleError(f"the bundle holds no weights at {path}: train it first, or install a bundle that has them")
    if bundle_root is not None:
        check_digest(Path(bundle_root), Path(path))
    try:
        states: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return dict(states.get("model", states))
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"no weights can be read from {path}: {reason}") from error
