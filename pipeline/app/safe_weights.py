"""A bundle's weights as safetensors beside torch's: a format that holds tensors alone, nothing that could run."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import BundleError
from pipeline.infer.weights import SAFETENSORS, read_weights, replace_weights, require_safetensors

__all__ = ["write_safetensors"]


def write_safetensors(bundle: Path) -> list[Path]:
    """Write each of a bundle's weights files as safetensors, too, and state the digests in its metadata.

    The bundle is run from these where `weights` in its configurations names them.

    Args:
        bundle: folder of a trained bundle.

    Returns:
        The files written.

    Raises:
        BundleError: no weights, or damaged ones.
        ConfigError: safetensors is not installed.
    """
    require_safetensors()
    sources = sorted((bundle / "models").glob("*.pt"))
    if not sources:
        raise BundleError(f"the bundle holds no weights in {bundle / 'models'}: train it first")
    written = []
    for source in sources:
        target = source.with_suffix(SAFETENSORS)
        replace_weights(read_weights(source, bundle_root=bundle), target, bundle_root=bundle)
        written.append(target)
    return written
