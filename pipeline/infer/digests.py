"""SHA-256 of a bundle's weights, stated in its metadata to detect damaged or exchanged weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pipeline.core.errors import BundleError

__all__ = ["WEIGHTS_DIGESTS", "check_digest", "file_digest", "state_digest"]

WEIGHTS_DIGESTS = "weights_sha256"
"""Entry of the metadata: path inside the bundle -> hexadecimal SHA-256."""


def file_digest(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state_digest(root: Path, weights: Path) -> None:
    """Write a weights file's digest into its bundle's metadata. Does nothing if the file lies outside the bundle.

    Args:
        root: the bundle's folder.
        weights: the file.
    """
    name, metadata = _inside(root, weights), _metadata_file(root)
    if name is None or not metadata.is_file():
        return
    content = json.loads(metadata.read_text(encoding="utf-8"))
    content[WEIGHTS_DIGESTS] = content.get(WEIGHTS_DIGESTS, {}) | {name: file_digest(weights)}
    partial = metadata.with_suffix(".partial")  # replaced whole: a bundle with half its metadata cannot be read
    partial.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    partial.replace(metadata)


def check_digest(root: Path, weights: Path) -> None:
    """Compare a weights file with its bundle's metadata. Does nothing if they state no digest for it.

    Raises:
        BundleError: the file is not the one that the metadata describe.
    """
    name, metadata = _inside(root, weights), _metadata_file(root)
    if name is None or not metadata.is_file():
        return
    stated = json.loads(metadata.read_text(encoding="utf-8")).get(WEIGHTS_DIGESTS, {}).get(name)
    if stated is not None and stated != file_digest(weights):
        raise BundleError(
            f"weights at {weights} are not those that {metadata} describes (SHA-256 differs): install the bundle anew, "
            f"or remove {name!r} from its `{WEIGHTS_DIGESTS}` if the weights are your own"
        )


def _inside(root: Path, weights: Path) -> str | None:
    try:
        return weights.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return None


def _metadata_file(root: Path) -> Path:
    return root / "configs" / "metadata.json"
