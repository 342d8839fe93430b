"""Intensity normalisation: what the scanner's arbitrary units become before a network sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np

from pipeline.core.errors import ConfigError

__all__ = [
    "METHODS",
    "clip_percentiles",
    "percentile_range",
    "percentile_zscore",
    "subtract_mean",
    "training_mean",
    "zscore",
]


def zscore(array: np.ndarray) -> np.ndarray:
    """Subtract the mean and divide by the standard deviation, both over the whole array.

    Returns:
        float32 of the same shape, mean 0 and deviation 1; an array of one value gives zeros.

    >>> zscore(np.array([1.0, 3.0])).tolist()
    [-1.0, 1.0]
    """
    values = np.asarray(array, dtype=np.float32)
    deviation = float(values.std(dtype=np.float64))
    centred = values - np.float32(values.mean(dtype=np.float64))
    return centred / np.float32(deviation) if deviation > 1e-12 else np.zeros_like(values)


def clip_percentiles(array: np.ndarray, *, low: float = 0.5, high: float = 99.5) -> np.ndarray:
    """Clip to the array's own percentiles, so that single bright pixels do not set the scale; float32.

    >>> clip_percentiles(np.array([0.0, 1.0, 2.0, 3.0, 100.0]), low=0, high=75).tolist()
    [0.0, 1.0, 2.0, 3.0, 3.0]
    """
    values = np.asarray(array, dtype=np.float32)
    bottom, top = np.percentile(values, (low, high))
    return np.clip(values, np.float32(bottom), np.float32(top))


def percentile_range(array: np.ndarray, *, low: float = 0.5, high: float = 99.5) -> np.ndarray:
    """Clip to percentiles and stretch to 0 to 1; float32; an array of one value gives zeros.

    >>> percentile_range(np.array([0.0, 5.0, 10.0]), low=0, high=100).tolist()
    [0.0, 0.5, 1.0]
    """
    clipped = clip_percentiles(array, low=low, high=high)
    span = float(clipped.max() - clipped.min())
    return (clipped - clipped.min()) / np.float32(span) if span > 0 else np.zeros_like(clipped)


def percentile_zscore(array: np.ndarray) -> np.ndarray:
    """Clip to the percentiles 0.5 and 99.5, then `zscore`: the default; typically within -3 to 5."""
    return zscore(clip_percentiles(array))


def subtract_mean(array: np.ndarray, *, mean: float) -> np.ndarray:
    """Subtract one number from every pixel, as the 2017 study did; float32, in the scanner's units.

    >>> subtract_mean(np.array([1, 3]), mean=2.0).tolist()
    [-1.0, 1.0]
    """
    return np.asarray(array, dtype=np.float32) - np.float32(mean)


def training_mean(arrays: Iterable[np.ndarray]) -> float:
    """Mean pixel value over many images, each pixel counted once; give it training images alone, or it leaks.

    Raises:
        ConfigError: no pixel at all.

    >>> training_mean([np.array([1.0, 2.0]), np.array([6.0])])
    3.0
    """
    total, count = 0.0, 0
    for array in arrays:
        total += float(np.sum(array, dtype=np.float64))
        count += array.size
    if not count:
        raise ConfigError("the training mean needs at least one pixel, got none")
    return total / count


METHODS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"zscore": zscore, "percentile_range": percentile_range, "percentile_zscore": percentile_zscore}
)
"""Normalisations by name that need nothing but the image."""
