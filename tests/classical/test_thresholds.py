"""Histogram thresholds: by hand, and generalized thresholding at its three limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from pipeline.classical.thresholds import TUNED, ght_split, ght_threshold, otsu_threshold
from pipeline.core.errors import ConfigError, InputError


def _bimodal(seed: int = 0, *, spreads: tuple[float, float] = (8.0, 25.0)) -> np.ndarray:
    """Integers 0 to 255: many dark pixels near 60, fewer bright ones near 150."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(60, spreads[0], 6000), rng.normal(150, spreads[1], 2000)])
    return values.clip(0, 255).round().astype(np.uint8)


def _minimum_error(values: np.ndarray) -> float:
    """Kittler and Illingworth's criterion from the pixels themselves, one candidate after the other."""
    errors = {}
    for candidate in range(int(values.min()), int(values.max())):
        sides = values[values <= candidate].astype(float), values[values > candidate].astype(float)
        if min(side.std() for side in sides) > 0:
            shares = [len(side) / len(values) for side in sides]
            errors[candidate] = 1 + 2 * sum(
                p * (math.log(side.std()) - math.log(p)) for p, side in zip(shares, sides, strict=True)
            )
    return _mean_of_best({candidate: -error for candidate, error in errors.items()})


def _mean_of_best(scores: dict[int, float]) -> float:
    best = max(scores.values())
    return float(np.mean([candidate for candidate, score in scores.items() if score == best]))


def _ght_by_loop(values: np.ndarray, *, nu: float, tau: float, kappa: float, omega: float) -> float:
    """Score of the paper from the pixels themselves, one candidate after the other."""
    scores = {}
    for candidate in range(int(values.min()), int(values.max())):
        sides = values[values <= candidate].astype(float), values[values > candidate].astype(float)
        scores[candidate] = 0.0
        for side, share in zip(sides, (omega, 1 - omega), strict=True):
            spread, p = len(side) * side.var(), len(side) / len(values)
            variance = (p * nu * tau**2 + spread) / (p * nu + len(side))
            scores[candidate] += -spread / variance - len(side) * math.log(variance)
            scores[candidate] += 2 * (len(side) + kappa * share) * math.log(len(side))
    return _mean_of_best(scores)


def test_otsu_by_hand() -> None:
    # sums of squares within: 20.67 when split after 1 or after 7, 0.5 + 0.5 when split after 2
    assert otsu_threshold(np.array([1, 2, 7, 8])) == pytest.approx(2.0)
    assert otsu_threshold(np.array([[0.25, 0.25], [0.75, 0.75]]), n_bins=2) == pytest.approx(0.375)


def test_two_equal_spikes_split_halfway_between_their_bins() -> None:
    counts = np.zeros(31)
    counts[[10, 20]] = 50
    # every split after bins 10 to 19 is the same; the mean of those is returned
    assert ght_split(counts, np.arange(31)) == pytest.approx(14.5)
    assert ght_split(counts, np.arange(31), **TUNED) == pytest.approx(14.5)


def test_a_prior_on_the_variance_mends_a_side_of_one_bin() -> None:
    counts = np.array([50, 30, 20, 10, 5, 0, 0, 40, 60, 40])
    assert ght_split(counts, np.arange(10)) == 0
    assert ght_split(counts, np.arange(10), nu=10, tau=1.0) == pytest.approx(5.0)  # splits after 4, 5 and 6 are one


@pytest.mark.parametrize("seed", range(4))
def test_limit_of_minimum_error(seed: int) -> None:
    values = _bimodal(seed)
    expected = _minimum_error(values)
    assert ght_threshold(values) == expected
    assert abs(expected - threshold_otsu(values)) > 5  # the two limits are told apart


@pytest.mark.parametrize("seed", range(4))
def test_limit_of_otsu(seed: int) -> None:
    values = _bimodal(seed)
    assert ght_threshold(values, nu=1e30, tau=1e-3) == otsu_threshold(values) == threshold_otsu(values)


def test_limit_of_a_quantile() -> None:
    counts = np.ones(100)
    for omega, expected in ((0.25, 24), (0.9, 89)):
        assert ght_split(counts, np.arange(100), nu=1.0, tau=10.0, kappa=1e12, omega=omega) == expected


@pytest.mark.parametrize(
    "settings", [dict(TUNED), {"nu": 2000, "tau": 20.0, "kappa": 500, "omega": 0.7}, {**TUNED, "kappa": 0, "nu": 4e3}]
)
def test_between_the_limits(settings: dict) -> None:
    values = _bimodal()
    assert ght_threshold(values, **settings) == _ght_by_loop(values, **settings)


def test_tuned_settings_are_those_of_the_paper() -> None:
    assert {name: math.log2(value) for name, value in TUNED.items()} == pytest.approx(
        {"nu": 29.5, "tau": 3.125, "kappa": 22.25, "omega": -3.25}
    )


def test_floats_follow_the_scale_of_the_image() -> None:
    values = _bimodal().astype(np.float64)
    expected = ght_threshold(values, nu=500, tau=10.0)
    assert ght_threshold(values / 50 - 2, nu=500, tau=0.2) == pytest.approx(expected / 50 - 2)


@pytest.mark.parametrize("threshold", [otsu_threshold, ght_threshold])
def test_degenerate_images(threshold) -> None:
    assert threshold(np.full((3, 3), 4.5)) == 4.5
    for image in (np.zeros((0, 3)), np.array([1.0, np.nan])):
        with pytest.raises(InputError, match="at least one pixel"):
            threshold(image)


@pytest.mark.parametrize("settings", [{"nu": -1}, {"tau": math.inf}, {"kappa": math.nan}, {"omega": 1.5}])
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError, match="GHT"):
        ght_split(np.ones(4), np.arange(4), **settings)


@pytest.mark.parametrize(
    ("counts", "centres"),
    [([1], [0]), ([1, 2], [0, 1, 2]), ([0, 0], [0, 1]), ([1, -1, 3], [0, 1, 2]), ([1, 1], [1, 0])],
)
def test_histograms_that_are_none_are_refused(counts: list, centres: list) -> None:
    with pytest.raises(InputError, match="histogram"):
        ght_split(np.array(counts), np.array(centres))
