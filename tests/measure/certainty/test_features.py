"""Features of a network's certainty, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import GridError
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.measure.certainty.features import describe_certainty, spread_of_volumes, to_logit


def _sums(decided: list[float], agreed: list[float], expected: list[float], sure: list[float], possible: list[float]):
    return ProbabilitySums(
        *(np.array(one, dtype=float)[None, None] for one in (decided, agreed, expected, sure, possible))
    )


def test_by_hand() -> None:
    # whole: 2 * 145 / (160 + 150); worst of the slices with 20 pixels or more: the second, 2 * 40 / (50 + 45)
    sums = _sums([100, 50, 10], [99, 40, 6], [100, 45, 5], [95, 30, 2], [105, 60, 15])
    (features,) = describe_certainty(sums, np.array([[80.0]]))[0]
    expected = [to_logit(np.array(290 / 310)), to_logit(np.array(80 / 95)), np.log(53 / 160), np.log(80)]
    np.testing.assert_allclose(features, expected)
    np.testing.assert_allclose(spread_of_volumes(sums, np.array([[80.0]])), [[80 * 53 / 160]])


def test_an_absent_structure_is_unknown() -> None:
    nothing = _sums([0, 0], [0, 0], [1, 0], [0, 0], [3, 0])
    assert np.isnan(describe_certainty(nothing, np.array([[5.0]]))).all()
    assert np.isnan(spread_of_volumes(nothing, np.array([[5.0]]))).all()
    removed = _sums([20, 0], [15, 0], [18, 0], [9, 0], [30, 0])  # decided by the network, and cleaned up behind it
    assert np.isnan(describe_certainty(removed, np.array([[0.0]]))).all()


def test_perfect_certainty_stays_finite() -> None:
    sums = _sums([10, 10], [10, 10], [10, 10], [10, 10], [10, 10])
    assert np.isfinite(describe_certainty(sums, np.array([[3.0]]))).all()
    assert spread_of_volumes(sums, np.array([[3.0]])) > 0


def test_volumes_must_be_of_the_same_phases() -> None:
    with pytest.raises(GridError, match="volumes must be"):
        describe_certainty(_sums([1], [1], [1], [1], [1]), np.ones((2, 1)))
