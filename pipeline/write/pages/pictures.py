"""Pictures of the images for a page: crops around the heart as JPEG sheets.

A *sheet* is one picture with every slice of one phase, row by row in slice order: `columns` tiles a row, each tile the
cut-out of one slice, drawn as DICOM draws it: the first array axis to the right, the second down.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

__all__ = [
    "brightness_range",
    "direction_letters",
    "heart_window",
    "jpeg",
    "sheet",
    "sheet_columns",
    "stored_range",
    "to_grey",
]

_JPEG_QUALITY = 82
"""No visible blocks at three times the size, and about 1.5 bits per pixel of a cine."""

_MOST_COLUMNS = 7

_OBLIQUE = 0.35
"""A direction is named after every patient axis along which it runs by more than this (within some 70 degrees)."""


def heart_window(labels: np.ndarray, margin: float = 0.35) -> tuple[slice, slice]:
    """In-plane box around all structures of all phases, with a margin.

    Args:
        labels: (T, X, Y, Z) label map.
        margin: room on each side, as a share of the box.

    Returns:
        Slices of X and Y, within the picture, or the whole picture if there is no structure.

    >>> labels = np.zeros((1, 100, 50, 1), np.uint8)
    >>> labels[0, 40:50, 20:30, 0] = 1
    >>> heart_window(labels)
    (slice(33, 57, None), slice(13, 37, None))
    """
    plane = labels.any(axis=(0, 3))
    if not plane.any():
        return slice(0, plane.shape[0]), slice(0, plane.shape[1])
    box = []
    for axis, size in enumerate(plane.shape):
        hit = np.flatnonzero(np.any(plane, axis=1 - axis))
        extra = int(margin * (hit[-1] - hit[0] + 1)) + 4
        box.append(slice(max(0, int(hit[0]) - extra), min(size, int(hit[-1]) + extra + 1)))
    return box[0], box[1]


def brightness_range(image: np.ndarray) -> tuple[float, float]:
    """Intensities shown as black and as white, one pair for a whole study: its 1st and 99.5th percentile.

    >>> brightness_range(np.arange(201.0))
    (2.0, 199.0)
    """
    low, high = np.percentile(image, (1.0, 99.5))
    return float(low), float(high)


def stored_range(image: np.ndarray, shown: tuple[float, float]) -> tuple[float, float]:
    """Intensities stored as 0 and as 255: wider than those `shown`, so that a viewer can widen its window.

    The image's 0.05th and 99.95th percentile, as far as half the grey levels are left for what is shown.

    >>> stored_range(np.arange(2001.0), (100.0, 1100.0))
    (1.0, 1600.0)
    """
    low, high = np.percentile(image, (0.05, 99.95))
    room = (shown[1] - shown[0]) / 2
    return max(float(low), shown[0] - room), min(float(high), shown[1] + room)


def to_grey(image: np.ndarray, shown: tuple[float, float]) -> np.ndarray:
    """Scale intensities to 0 to 255 as uint8, clipped at the ends of `shown`, all black if these are equal.

    >>> to_grey(np.array([0.0, 10.0, 15.0, 20.0, 99.0]), (10.0, 20.0)).tolist()
    [0, 0, 128, 255, 255]
    """
    low, high = shown
    if high <= low:
        return np.zeros(image.shape, dtype=np.uint8)
    share = (image.astype(np.float32) - low) / (high - low)
    grey: np.ndarray = (share.clip(0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return grey


def sheet_columns(n_slices: int) -> int:
    """Tiles in a row of a sheet: at most 7, spread evenly over as few rows as that takes.

    >>> [sheet_columns(n) for n in (1, 7, 8, 12, 15)]
    [1, 7, 4, 6, 5]
    """
    return math.ceil(n_slices / math.ceil(n_slices / _MOST_COLUMNS))


def sheet(volume: np.ndarray, columns: int) -> np.ndarray:
    """Tile the slices of a volume. The rest of the last row is black.

    Args:
        volume: (X, Y, Z) uint8.
        columns: tiles in a row.

    Returns:
        (rows * Y, columns * X) uint8: rows of a picture.

    >>> sheet(np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8), 2).tolist()
    [[1, 4, 2, 5], [3, 6, 0, 0]]
    """
    width, height, n_slices = volume.shape
    rows = math.ceil(n_slices / columns)
    tiles = np.zeros((rows * columns, height, width), dtype=np.uint8)
    tiles[:n_slices] = volume.transpose(2, 1, 0)
    return tiles.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def jpeg(picture: np.ndarray) -> bytes:
    """Compress a grey picture, (rows, columns) uint8."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def direction_letters(direction_ras: np.ndarray) -> str:
    """Name a direction by the patient's axes as pictures do: R/L, A/P, H/F, the nearest axis first.

    Args:
        direction_ras: (3,) vector to the patient's right, anterior, superior counted positive as in RAS+ space, any
            length above 0.

    >>> direction_letters(np.array([0.0, -3.0, 0.0])), direction_letters(np.array([-0.5, 0.1, 0.7]))
    ('P', 'HL')
    """
    unit = np.asarray(direction_ras, dtype=float) / np.linalg.norm(direction_ras)
    order = [int(axis) for axis in np.argsort(-np.abs(unit)) if abs(unit[axis]) > _OBLIQUE]
    return "".join("RAH"[axis] if unit[axis] > 0 else "LPF"[axis] for axis in order)
