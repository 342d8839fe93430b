"""Thresholds from an image's histogram: Otsu's, and generalized histogram thresholding with its limits.

A threshold splits at ``image > threshold``. Both use scikit-image's histogram: one bin a value for integers, `n_bins`
over the image's own range for floats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from skimage.exposure import histogram
from skimage.filters import threshold_otsu

from pipeline.core.errors import ConfigError, InputError

__all__ = ["TUNED", "ght_split", "ght_threshold", "otsu_threshold"]

_FLOOR = 1e-30
"""Floor of weights and variances, so that logarithms exist, as in the paper's reference code."""

TUNED: Mapping[str, float] = MappingProxyType({"nu": 2**29.5, "tau": 2**3.125, "kappa": 2**22.25, "omega": 2**-3.25})
"""Settings of GHT tuned in the paper on scanned documents: intensities 0 to 255, millions of pixels, a tenth of them
dark. `tau` goes with the scale of intensity and `kappa` with the number of pixels: adapt both before use elsewhere."""


def otsu_threshold(image: np.ndarray, *, n_bins: int = 256) -> float:
    """Threshold that minimises the variance within the two sides (Otsu, IEEE Trans. SMC 9(1), 1979).

    Args:
        image: any shape, finite, integers or floats, in any unit.
        n_bins: of the histogram of a float image.

    Returns:
        In the image's unit. An image of one value gives that value.

    Raises:
        InputError: no pixel, or one that is not finite.

    >>> otsu_threshold(np.array([0, 0, 1, 9, 10, 10]))
    1.0
    """
    _check_image(image)
    return float(threshold_otsu(image, nbins=n_bins))


def ght_threshold(
    image: np.ndarray, *, nu: float = 0.0, tau: float = 0.0, kappa: float = 0.0, omega: float = 0.5, n_bins: int = 256
) -> float:
    """Generalized histogram threshold of an image, with settings as of `ght_split`.

    Args:
        image: any shape, finite, integers or floats, in any unit.
        nu: strength of the prior on the variances, pixels.
        tau: standard deviation that the prior expects, in the image's unit.
        kappa: strength of the prior on the sides' shares, pixels.
        omega: share of the lower side that the prior expects, 0 to 1.
        n_bins: of the histogram of a float image.

    Returns:
        In the image's unit. An image of one value gives that value.

    Raises:
        ConfigError: a setting out of its range.
        InputError: no pixel, or one that is not finite.

    >>> ght_threshold(np.array([0, 0, 1, 9, 10, 10]), nu=1e6, tau=1.0)
    4.5
    """
    _check_image(image)
    if image.min() == image.max():
        return float(image.flat[0])
    counts, centres = histogram(image, nbins=n_bins)
    return ght_split(counts, centres, nu=nu, tau=tau, kappa=kappa, omega=omega)


def ght_split(
    counts: np.ndarray,
    centres: np.ndarray,
    *,
    nu: float = 0.0,
    tau: float = 0.0,
    kappa: float = 0.0,
    omega: float = 0.5,
) -> float:
    """Split a histogram by generalized histogram thresholding (Barron, ECCV 2020, arXiv 2007.07350).

    Each side is a Gaussian. Priors hold its variance near tau^2 and the lower side's share near omega. Its limits:

    - All zero: minimum error thresholding (Kittler and Illingworth, Pattern Recognition 19(1), 1986). A well filled
      side of one bin has no variance and so looks perfect. A small `nu` avoids that.
    - `nu` to infinity with a small `tau`: Otsu's threshold.
    - `kappa` to infinity: the quantile `omega`.

    Args:
        counts: (B,) pixels in each bin, B at least 2.
        centres: (B,) the bins' values, rising.
        nu: strength of the prior on the variances, pixels, at least 0.
        tau: standard deviation that the prior expects, at least 0.
        kappa: strength of the prior on the shares, pixels, at least 0.
        omega: share of the lower side that the prior expects, 0 to 1.

    Returns:
        Centre of the lower side's last bin, or among equally good splits their mean.

    Raises:
        ConfigError: a setting out of its range.
        InputError: no histogram of rising centres and counts of at least 0, not all 0.

    >>> ght_split(np.array([3, 0, 0, 0, 3]), np.arange(5))
    1.5
    """
    if not all(math.isfinite(value) and value >= 0 for value in (nu, tau, kappa)) or not 0 <= omega <= 1:
        raise ConfigError(
            "GHT needs finite `nu`, `tau` and `kappa` of at least 0 and `omega` from 0 to 1, "
            f"got {nu}, {tau}, {kappa} and {omega}"
        )
    counts, centres = _check_histogram(counts, centres)
    score = np.zeros(len(counts) - 1)
    for side, share in zip(_sides(counts, centres), (omega, 1 - omega), strict=True):
        prior = side.weight / counts.sum() * nu
        variance = np.maximum((prior * tau**2 + side.spread) / (prior + side.weight), _FLOOR)
        score -= side.spread / variance + side.weight * np.log(variance)
        score += 2 * (side.weight + kappa * share) * np.log(side.weight)
    return float(centres[:-1][score == score.max()].mean())


class _Side(NamedTuple):
    """One side of each of the B - 1 splits: its pixels, and their sum of squares about their mean."""

    weight: np.ndarray
    spread: np.ndarray


def _sides(counts: np.ndarray, centres: np.ndarray) -> tuple[_Side, _Side]:
    values = centres - np.average(centres, weights=counts)  # small numbers, so that little is lost in the squares
    moments = np.stack([counts, counts * values, counts * values**2])
    below = moments.cumsum(axis=1)[:, :-1]
    above = moments[:, ::-1].cumsum(axis=1)[:, -2::-1]
    return _side(below), _side(above)


def _side(moments: np.ndarray) -> _Side:
    weight = np.maximum(moments[0], _FLOOR)
    return _Side(weight, np.maximum(moments[2] - moments[1] ** 2 / weight, 0.0))


def _check_image(image: np.ndarray) -> None:
    if image.size == 0 or not np.isfinite(image).all():
        raise InputError(f"a threshold needs at least one pixel and finite ones, got an image of shape {image.shape}")


def _check_histogram(counts: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, centres = np.asarray(counts, dtype=np.float64), np.asarray(centres, dtype=np.float64)
    if counts.ndim != 1 or counts.shape != centres.shape or len(counts) < 2:
        raise InputError(
            f"a histogram needs as many counts as centres, two at least, got {counts.shape} and {centres.shape}"
        )
    if not (counts >= 0).all() or not counts.sum() > 0 or not (np.diff(centres) > 0).all():
        raise InputError("a histogram needs rising centres and counts of at least 0, not all 0, got others")
    return counts, centres
