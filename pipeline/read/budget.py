"""How many voxels an image may have, asked of its header before any memory is taken for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import UnreadableError

__all__ = ["MAX_VOXELS", "require_affordable"]

MAX_VOXELS = 1 << 29
"""Twice those of 50 phases of 20 slices of 512 x 512 pixels. They take 2 GiB in single precision."""


def require_affordable(shape: Sequence[int], path: str | Path) -> None:
    """Refuse an image of more voxels than any cine has, as a damaged or hostile header states them.

    Args:
        shape: numbers along all axes, none negative.
        path: the file, for the message.

    Raises:
        UnreadableError: more than `MAX_VOXELS`.
    """
    if math.prod(int(n) for n in shape) > MAX_VOXELS:
        size = " x ".join(f"{n}" for n in shape)
        raise UnreadableError(
            f"an image must have {MAX_VOXELS:,} voxels or fewer, its header states {size}; if it has so many, crop it "
            "around the heart or split it",
            path,
        )
