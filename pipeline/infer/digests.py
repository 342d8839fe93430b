"""SHA-256 of a bundle's weights, stated in its metadata to detect damaged or exchanged weights."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError
from pipeline.core.files import write_json

__all__ = ["WEIGHTS_DIGESTS", "announce_digest", "check_digest", "state_digest"]

WEIGHTS_DIGESTS = "weights_sha256"
"""Entry of the metadata: path inside the bundle -> hexadecimal SHA-256; two while weights are being replaced."""


def announce_digest(root: Path, weights: Path, new: Path) -> None:
    """Let a bundle's metadata state new weights beside those that they are about to replace.

    Between this and `state_digest` either file is the bundle's own, so a kill at any moment leaves a bundle that works.

    Args:
        root: the bundle's folder.
        weights: the file to be replaced.
        new: what it will hold.
    """
    stated = _stated(root, weights)
    if not weights.is_file():
        _state(root, weights, file_digest(new))
    elif stated:
        present = file_digest(weights)  # of those stated: one may be of weights that a kill kept from coming
        _state(root, weights, [*(one for one in stated if one == present), file_digest(new)])


def state_digest(root: Path, weights: Path) -> None:
    """Write a weights file's digest into its bundle's metadata. Does nothing if the file lies outside the bundle.

    Args:
        root: the bundle's folder.
        weights: the file.
    """
    _state(root, weights, file_digest(weights))


def check_digest(root: Path, weights: Path) -> None:
    """Compare a weights file with its bundle's metadata. Does nothing if they state no digest for it.

    Raises:
        BundleError: the file is not the one that the metadata describe.
    """
    stated = _stated(root, weights)
    if stated and file_digest(weights) not in stated:
        name = _inside(root, weights)
        raise BundleError(
            f"weights at {weights} are not those that {_metadata_file(root)} describes (SHA-256 differs): install the "
            f"bundle anew, or remove {name!r} from its `{WEIGHTS_DIGESTS}` if the weights are your own"
        )


def _stated(root: Path, weights: Path) -> list[str]:
    """The digests that a bundle's metadata state for a file; none where it lies outside, or there are no metadata."""
    name, metadata = _inside(root, weights), _metadata_file(root)
    if name is None or not metadata.is_file():
        return []
    stated = json.loads(metadata.read_text(encoding="utf-8")).get(WEIGHTS_DIGESTS, {}).get(name, [])
    return [stated] if isinstance(stated, str) else list(stated)


def _state(root: Path, weights: Path, digests: str | list[str]) -> None:
    name, metadata = _inside(root, weights), _metadata_file(root)
    if name is None or not metadata.is_file():
        return
    content = json.loads(metadata.read_text(encoding="utf-8"))
    content[WEIGHTS_DIGESTS] = content.get(WEIGHTS_DIGESTS, {}) | {name: digests}
    write_json(metadata, content, indent=4)


def _inside(root: Path, weights: Path) -> str | None:
    try:
        return weights.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return None


def _metadata_file(root: Path) -> Path:
    return root / "configs" / "metadata.json"
