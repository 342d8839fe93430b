import math

import pytest

from pipeline.core.errors import DatasetError
from pipeline.evaluate.agreement import agreement, bootstrap_interval, paired_difference


def test_bland_altman_by_hand() -> None:
    found = agreement([50.0, 60.0, 40.0, 70.0], [52.0, 59.0, 43.0, 70.0])
    assert (found.n, found.bias, found.mean_absolute_error) == (4, 1.0, 1.5)
    assert found.sd == pytest.approx(math.sqrt((1 + 4 + 4 + 1) / 3))
    assert found.lower_limit == pytest.approx(1.0 - 1.96 * math.sqrt(10 / 3))
    assert found.upper_limit == pytest.approx(1.0 + 1.96 * math.sqrt(10 / 3))
    assert found.correlation == pytest.approx(440 / math.sqrt(500 * 390))


def test_pairs_that_lack_a_side_are_dropped() -> None:
    assert agreement([1.0, None, 3.0, float("nan")], [1.0, 2.0, None, 4.0]).n == 1
    assert agreement([None], [1.0]).bias is None
    assert agreement([], []).n == 0
    single = agreement([2.0], [3.0])
    assert (single.bias, single.sd, single.lower_limit) == (1.0, None, None)


def test_a_side_that_does_not_vary_has_no_correlation() -> None:
    assert agreement([5.0, 5.0], [4.0, 6.0]).correlation is None


def test_interval_holds_the_mean_and_is_wide_where_patients_differ() -> None:
    apart = bootstrap_interval({"a": [0.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 0.0], "d": [1.0, 1.0]})
    alike = bootstrap_interval({name: [0.0, 1.0] for name in "abcd"})
    assert apart.mean == alike.mean == 0.5
    assert apart.low < 0.25 < 0.75 < apart.high
    assert (alike.low, alike.high) == (0.5, 0.5)  # within a patient nothing is drawn


def test_nan_is_not_counted() -> None:
    interval = bootstrap_interval({"a": [0.5, float("nan")], "b": [float("nan")], "c": [1.0]})
    assert interval.mean == 0.75
    assert math.isnan(bootstrap_interval({"a": [float("nan")]}).mean)


def test_paired_difference_is_tighter_than_the_difference_of_means() -> None:
    first = {name: [value] for name, value in zip("abcdef", (0.1, 0.3, 0.5, 0.7, 0.8, 0.9), strict=True)}
    second = {name: [values[0] + 0.05] for name, values in first.items()}
    gain = paired_difference(first, second)
    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.05, 0.05, 0.05))
    assert paired_difference(second, first).mean == pytest.approx(-0.05)


def test_other_patients_or_volumes_are_refused() -> None:
    with pytest.raises(DatasetError, match="same patients"):
        paired_difference({"a": [1.0]}, {"b": [1.0]})
    with pytest.raises(DatasetError, match="same volumes"):
        paired_difference({"a": [1.0]}, {"a": [1.0, 2.0]})
