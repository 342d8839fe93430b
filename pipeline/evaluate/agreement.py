"""How far measurements agree, and how sure a mean is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import DatasetError

__all__ = ["Agreement", "Interval", "agreement", "bootstrap_interval", "paired_difference"]


@dataclass(frozen=True)
class Agreement:
    """Agreement of measured with reference values, in their unit (Bland and Altman, Lancet 327:307, 1986).

    Attributes:
        n: number of pairs.
        bias: mean of measured - reference, or `None` without pairs.
        sd: standard deviation of the differences (n - 1), or `None` below two pairs.
        lower_limit: bias - 1.96 sd.
        upper_limit: bias + 1.96 sd.
        mean_absolute_error: mean of the absolute differences.
        correlation: Pearson's, or `None` below two pairs or if one side does not vary.
    """

    n: int
    bias: float | None = None
    sd: float | None = None
    lower_limit: float | None = None
    upper_limit: float | None = None
    mean_absolute_error: float | None = None
    correlation: float | None = None


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval, all NaN without values."""

    mean: float
    low: float
    high: float


def agreement(reference: Sequence[float | None], measured: Sequence[float | None]) -> Agreement:
    """Compare paired values. Pairs with `None` or NaN on either side are dropped.

    >>> found = agreement([10.0, 20.0, 30.0], [11.0, 22.0, 30.0])
    >>> found.n, found.bias, found.sd, round(found.upper_limit, 2)
    (3, 1.0, 1.0, 2.96)
    """
    both = np.array([reference, measured], dtype=float)
    true, found = both[:, ~np.isnan(both).any(axis=0)]
    if true.size == 0:
        return Agreement(n=0)
    difference = found - true
    bias, error = float(difference.mean()), float(np.abs(difference).mean())
    if true.size == 1:
        return Agreement(n=1, bias=bias, mean_absolute_error=error)
    sd = float(difference.std(ddof=1))
    varies = true.std() > 0 and found.std() > 0
    return Agreement(
        n=true.size,
        bias=bias,
        sd=sd,
        lower_limit=bias - 1.96 * sd,
        upper_limit=bias + 1.96 * sd,
        mean_absolute_error=error,
        correlation=float(np.corrcoef(true, found)[0, 1]) if varies else None,
    )


def bootstrap_interval(
    values_by_patient: Mapping[str, Sequence[float]], *, n_resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Mean over all values, with a percentile interval by resampling patients (Efron and Tibshirani 1993, ch. 13).

    A patient's values are drawn together, because they are correlated and drawing them one by one would make the
    interval too narrow.

    Args:
        values_by_patient: patient -> values, one per volume (NaN is not counted).
        n_resamples: number of resamples.
        level: confidence, above 0 and below 1.
        seed: of the random draws.

    >>> bootstrap_interval({"a": [0.9, 0.9], "b": [0.9]})
    Interval(mean=0.9, low=0.9, high=0.9)
    """
    cleaned = [np.array([v for v in values if not np.isnan(v)]) for values in values_by_patient.values()]
    sums = np.array([values.sum() for values in cleaned if values.size])
    counts = np.array([values.size for values in cleaned if values.size])
    if counts.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).integers(counts.size, size=(n_resamples, counts.size))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))


def paired_difference(
    first: Mapping[str, Sequence[float]],
    second: Mapping[str, Sequence[float]],
    *,
    n_resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of second - first over the same volumes, with its interval as `bootstrap_interval` makes it.

    Args:
        first: patient -> values, one per volume. A volume that is NaN on either side is not counted.
        second: the same patients and volumes.
        n_resamples: number of resamples.
        level: confidence.
        seed: of the random draws.

    Raises:
        DatasetError: the patients differ, or the number of volumes of one does.

    >>> paired_difference({"a": [0.75]}, {"a": [1.0]})
    Interval(mean=0.25, low=0.25, high=0.25)
    """
    if set(first) != set(second):
        raise DatasetError(f"both runs must have the same patients; {len(set(first) ^ set(second))} are in only one")
    if any(len(first[patient]) != len(second[patient]) for patient in first):
        raise DatasetError("both runs must have the same volumes; some patients have more in one than in the other")
    gains = {patient: list(np.subtract(second[patient], first[patient])) for patient in first}
    return bootstrap_interval(gains, n_resamples=n_resamples, level=level, seed=seed)
