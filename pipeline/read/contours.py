"""Contours drawn by hand, as text files, to masks.

*index coordinates*: (x, y) in pixels, x = i along a picture row, y = j down the picture, 0-based, a pixel's centre at
whole numbers; the first pixel covers -0.5 to 0.5. Sunnybrook's files count pixels from 1, as MATLAB does, in which the
2009 challenge was scored (Radau et al., The MIDAS Journal, 2009). Measured on its two studies here: the correlation of
filled endocardium and image rises from 0.69 to 0.75 when 1 is subtracted from both coordinates.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage.draw import polygon2mask

from pipeline.core.errors import UnreadableError

__all__ = ["coverage", "rasterise", "read_contour"]


def read_contour(path: str | Path, *, first_pixel: float = 1.0) -> np.ndarray:
    """Read a contour: one point a line, `x y` in pixels.

    Args:
        path: text file.
        first_pixel: coordinate the file gives to the centre of the first pixel; 1 for Sunnybrook.

    Returns:
        (N, 2) float64 index coordinates (x, y), N >= 3, in drawing order; the last point joins the first.

    Raises:
        UnreadableError: no such file, not two finite numbers a line, or fewer than 3 points.
    """
    try:
        lines = [line.split() for line in Path(path).read_text(encoding="ascii").splitlines() if line.strip()]
        points = np.array([[float(value) for value in line] for line in lines], dtype=np.float64)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"a contour must have two numbers, x and y, on each line ({error})", path) from error
    if len(points) < 3:
        raise UnreadableError(f"a contour needs at least 3 points, got {len(points)}", path)
    if points.shape[1] != 2 or not np.isfinite(points).all():
        raise UnreadableError("a contour must have two finite numbers, x and y, on each line", path)
    return points - first_pixel


def coverage(points: np.ndarray, *, shape: tuple[int, int], supersampling: int = 8) -> np.ndarray:
    """Fraction of each pixel that lies inside a closed polygon.

    Each pixel is divided into `supersampling` x `supersampling` points at which the polygon is asked. Filling at the
    pixels' own resolution instead counts every pixel the line touches and overestimates areas by 5 to 10 %.

    Args:
        points: (N, 2) index coordinates (x, y), in pixels.
        shape: of the picture, (X, Y).
        supersampling: points along a pixel's side, at least 1.

    Returns:
        (X, Y) float32, 0 to 1; 0 for a polygon outside the picture. A part outside is cut off.

    >>> square = np.array([[-0.5, -0.5], [1.0, -0.5], [1.0, 0.5], [-0.5, 0.5]])
    >>> coverage(square, shape=(3, 2)).tolist()
    [[1.0, 0.0], [0.5, 0.0], [0.0, 0.0]]
    """
    points = np.asarray(points, dtype=np.float64)
    fractions = np.zeros(shape, dtype=np.float32)
    low = np.clip(np.floor(points.min(axis=0) + 0.5).astype(int), 0, shape)
    high = np.clip(np.ceil(points.max(axis=0) + 0.5).astype(int), 0, shape)
    if (high <= low).any():
        return fractions
    size = high - low
    # Sample s of the window lies at pixel (s + 0.5) / supersampling - 0.5 + low; solved for s.
    samples = (points + 0.5 - low) * supersampling - 0.5
    inside = polygon2mask(tuple(size * supersampling), samples)
    blocks = inside.reshape(size[0], supersampling, size[1], supersampling)
    fractions[low[0] : high[0], low[1] : high[1]] = blocks.mean(axis=(1, 3))
    return fractions


def rasterise(points: np.ndarray, *, shape: tuple[int, int], supersampling: int = 8) -> np.ndarray:
    """Mask of the pixels at least half of which lie inside a closed polygon; arguments as for `coverage`.

    Returns:
        (X, Y) bool.

    >>> square = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])
    >>> rasterise(square, shape=(4, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    return coverage(points, shape=shape, supersampling=supersampling) >= 0.5
