"""What a network's probabilities tell of each structure in each phase, as numbers that a calibration weighs."""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from pipeline.core.errors import GridError
from pipeline.core.probability_sums import ProbabilitySums

__all__ = ["FEATURES", "describe_certainty", "spread_of_volumes", "to_logit"]

FEATURES = ("dice_logit", "lowest_slice_logit", "log_uncertain_share", "log_volume")
"""In the order of `describe_certainty`: logit of the expected Dice of the whole and of its worst slice, logarithm of
the share of pixels that are possible but not sure, logarithm of the volume in ml."""

_COUNTED_SLICE = 0.2
"""Size from which a slice can be the worst, as a fraction of the largest: in smaller ones a pixel is a large part."""

_DICE_RANGE = (0.01, 0.998)
"""Dice is kept within this, so that its logit is finite and one perfect volume does not outweigh the others."""

_LEAST_SHARE, _LEAST_ML = 1e-3, 0.1


def describe_certainty(sums: ProbabilitySums, volumes_ml: np.ndarray) -> np.ndarray:
    """Describe how sure the network is.

    Args:
        sums: of its probabilities, T phases and S structures.
        volumes_ml: (T, S) of the structures as they are labelled.

    Returns:
        (T, S, `FEATURES`) float64, NaN where nothing is labelled or decided.

    Raises:
        GridError: volumes of another shape.
    """
    decided = sums.decided.sum(axis=2)
    if volumes_ml.shape != decided.shape:
        raise GridError(f"volumes must be of {decided.shape} phases and structures, got {volumes_ml.shape}")
    share = (sums.possible - sums.sure).sum(axis=2) / np.maximum(decided, 1.0)
    features = np.stack(
        [
            to_logit(sums.expected_dice),
            to_logit(_lowest_slice(sums)),
            np.log(np.maximum(share, _LEAST_SHARE)),
            np.log(np.maximum(volumes_ml, _LEAST_ML)),
        ],
        axis=2,
    )
    return np.where(((decided > 0) & (volumes_ml > 0))[..., None], features, np.nan)


def spread_of_volumes(sums: ProbabilitySums, volumes_ml: np.ndarray) -> np.ndarray:
    """By how much the volumes could differ: what is possible but not sure, in ml.

    Args:
        sums: of the network's probabilities.
        volumes_ml: (T, S) of the structures as they are labelled.

    Returns:
        (T, S) float64, NaN where nothing is labelled or decided.
    """
    decided = sums.decided.sum(axis=2)
    share = (sums.possible - sums.sure).sum(axis=2) / np.maximum(decided, 1.0)
    known = (decided > 0) & (volumes_ml > 0)
    return np.where(known, np.maximum(share, _LEAST_SHARE) * volumes_ml, np.nan)


def to_logit(dice: np.ndarray) -> np.ndarray:
    """Logit of Dice coefficients kept within `_DICE_RANGE`; NaN stays NaN.

    >>> to_logit(np.array([0.5, 0.9, 1.0])).round(2).tolist()
    [0.0, 2.2, 6.21]
    """
    bounded: np.ndarray = logit(np.clip(dice, *_DICE_RANGE))
    return bounded


def _lowest_slice(sums: ProbabilitySums) -> np.ndarray:
    """Expected Dice of the worst slice of those that are not small, (T, S)."""
    counted = sums.decided >= np.maximum(_COUNTED_SLICE * sums.decided.max(axis=2, keepdims=True), 1.0)
    dice = 2.0 * sums.agreed / np.maximum(sums.decided + sums.expected, 1e-9)
    return np.where(counted, dice, 1.0).min(axis=2)
