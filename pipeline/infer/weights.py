"""A bundle's weights as a file: read without running anything, written whole.

Files are torch's, or safetensors by their name (`pip install cardiac-mr-pipeline[safetensors]`).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from pipeline.core.errors import BundleError, ConfigError, first_line
from pipeline.core.files import replacing
from pipeline.infer.digests import announce_digest, check_digest, state_digest

__all__ = ["SAFETENSORS", "load_weights", "read_weights", "replace_weights", "require_safetensors", "save_whole"]

SAFETENSORS = ".safetensors"
"""Ending of files that hold tensors and nothing that could run, as Hugging Face's library defines them."""


def save_whole(states: Mapping[str, Any], path: Path) -> None:
    """Save states so that the file is the old one or the new one, never a part; folders above it are made."""
    with replacing(path) as partial:
        _write(states, partial)


def replace_weights(states: Mapping[str, Any], path: Path, *, bundle_root: Path | None = None) -> None:
    """Save a bundle's weights whole, with their SHA-256 in its metadata.

    The weights before, and what is stated of them, hold until the new ones are whole: neither a full disk nor a kill
    leaves weights that the bundle does not know.

    Args:
        states: the bare state dict.
        path: the file.
        bundle_root: the bundle's folder; `None`, or one that the file lies outside of, states nothing.
    """
    with replacing(path) as partial:
        _write(states, partial)
        if bundle_root is not None:
            announce_digest(bundle_root, path, partial)
    if bundle_root is not None:
        state_digest(bundle_root, path)


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
        reason = first_line(error)
        raise BundleError(f"weights at {path} do not fit the bundle's network: {reason}") from error
    return network


def read_weights(path: str | Path, *, bundle_root: str | Path | None = None) -> dict[str, torch.Tensor]:
    """Read a weights file, see `load_weights`: name of each tensor -> tensor, on the CPU.

    Raises:
        BundleError: the file is missing, damaged, or no weights file.
    """
    path = Path(path)
    if not path.is_file():
        raise BundleError(f"the bundle holds no weights at {path}: train it first, or install a bundle that has them")
    if bundle_root is not None:
        check_digest(Path(bundle_root), path)
    if path.suffix == SAFETENSORS:
        require_safetensors()
    try:
        states = _read(path)
        return dict(states.get("model", states))
    except Exception as error:
        reason = first_line(error)
        raise BundleError(f"no weights can be read from {path}: {reason}") from error


def _write(states: Mapping[str, Any], file: Path) -> None:
    """Write states so that the same ones are the same bytes: given a path, torch would write its name into the file."""
    if SAFETENSORS in file.suffixes:
        require_safetensors()
        from safetensors.torch import save

        file.write_bytes(save({name: value.contiguous().clone() for name, value in states.items()}))
        return
    with file.open("wb") as stream:
        torch.save(dict(states), stream)


def _read(file: Path) -> dict[str, Any]:
    if file.suffix == SAFETENSORS:
        from safetensors.torch import load_file

        return dict(load_file(file))
    return dict(torch.load(file, map_location="cpu", weights_only=True))


def require_safetensors() -> None:
    """Refuse a file of safetensors without the library.

    Raises:
        ConfigError: it is not installed.
    """
    if find_spec("safetensors") is None:
        raise ConfigError("safetensors files need its library: pip install 'cardiac-mr-pipeline[safetensors]'")
