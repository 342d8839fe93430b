"""Digests: of arrays, by which a label map or an image is known again whatever file it is in, and of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

__all__ = ["file_digest", "labels_digest", "voxels_digest"]


def file_digest(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def labels_digest(labels: np.ndarray) -> str:
    """SHA-256 of a label map (T, X, Y, Z), to tell whether it was changed by hand."""
    return _digest(labels, np.uint8)


def voxels_digest(array: np.ndarray) -> str:
    """SHA-256 of a cine's voxels (T, X, Y, Z) as float32, to tell its images from others of the same study.

    The header is no part of it, so neither a UID nor a patient's name can be tried on it.
    """
    return _digest(array, np.float32)


def _digest(array: np.ndarray, dtype: type[np.generic]) -> str:
    digest = hashlib.sha256()
    with np.errstate(over="ignore"):
        for phase in array:
            digest.update(np.ascontiguousarray(phase, dtype=dtype).tobytes())
    return digest.hexdigest()
