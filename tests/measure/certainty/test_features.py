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


def test_one_pixel_and_half_a_millilitre_are_known() -> None:
    """Dice of 2 x 0.9 / (1 + 1.2) of the whole, which is its worst slice; three pixels are possible but not sure."""
    sums = _sums([1], [0.9], [1.2], [0], [3])
    ((features,),) = describe_certainty(sums, np.array([[0.5]]))
    dice_logit = np.log((1.8 / 2.2) / (0.4 / 2.2))
    np.testing.assert_allclose(features, [dice_logit, dice_logit, np.log(3.0), np.log(0.5)])
    np.testing.assert_allclose(spread_of_volumes(sums, np.array([[0.5]])), [[1.5]])


@pytest.mark.parametrize(("small", "counts"), [(20, True), (19, False)])
def test_a_slice_of_a_fifth_of_the_largest_can_be_the_worst(small: int, counts: bool) -> None:
    sums = _sums([100, small], [95, 1], [100, small], [90, 0], [110, 40])
    ((features,),) = describe_certainty(sums, np.array([[80.0]]))
    worst = 1 / small if counts else 0.95
    assert features[1] == pytest.approx(np.log(worst / (1 - worst)))


def test_slices_without_the_structure_are_not_the_worst() -> None:
    sums = _sums([3, 0], [2.7, 0], [3, 2], [2, 0], [4, 1])
    ((features,),) = describe_certainty(sums, np.array([[1.0]]))
    assert features[1] == pytest.approx(np.log(9.0))


def test_the_least_share_and_volume() -> None:
    """A thousandth and a tenth of a ml, whatever less was found."""
    sums = _sums([1000], [1000], [1000], [1000], [1000])
    ((features,),) = describe_certainty(sums, np.array([[0.05]]))
    np.testing.assert_allclose(features, [to_logit(np.array(1.0))] * 2 + [np.log(0.001), np.log(0.1)])
    np.testing.assert_allclose(spread_of_volumes(sums, np.array([[3.0]])), [[0.003]])


def test_what_is_labelled_but_not_decided_is_unknown_and_the_rest_is_not() -> None:
    decided = np.array([[[10.0], [0.0]], [[10.0], [10.0]]])
    sums = ProbabilitySums(decided, 0.9 * decided, decided, 0.8 * decided, 1.2 * decided)
    volumes = np.array([[5.0, 5.0], [5.0, 0.0]])
    assert np.isnan(describe_certainty(sums, volumes)).all(axis=2).tolist() == [[False, True], [False, True]]
    np.testing.assert_allclose(spread_of_volumes(sums, volumes), [[2.0, np.nan], [2.0, np.nan]])


def test_both_shapes_of_other_volumes_are_told() -> None:
    with pytest.raises(GridError, match=r"^volumes must be of \(1, 1\) phases and structures, got \(2, 1\)$"):
        describe_certainty(_sums([1], [1], [1], [1], [1]), np.ones((2, 1)))
