"""A calibration: the expected Dice by hand, its form in JSON, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.measure.certainty.calibration import Calibration, DiceCurve

CURVE = DiceCurve(
    means=(1.0, 2.0, 0.0, 0.0),
    scales=(2.0, 1.0, 1.0, 4.0),
    weights=(1.0, -1.0, 0.0, 0.5),
    intercept=0.25,
    estimates=(-1.0, 0.0, 2.0),
    dice=(0.5, 0.7, 0.9),
    low=-1.0,
)
MADE = Calibration(
    curves={
        "left_ventricle": CURVE,
        "myocardium": replace(CURVE, low=-2.0),
        "right_ventricle": replace(CURVE, low=-3.0),
    },
    volumes={"left_ventricle": (-0.5, 0.25), "myocardium": (-0.75, 0.5), "right_ventricle": (-1.0, 1.5)},
    functions={
        "left_ventricle": {"sv_ml": (-1.0, 2.0), "ef_percent": (-0.5, 0.5)},
        "right_ventricle": {"sv_ml": (-3.0, 4.0), "ef_percent": (-0.25, 0.75)},
    },
    level=0.9,
    pass_dice=0.91,
    fail_dice=0.8,
    weights_sha256="0f",
    made_from={"patients": 100, "date": "2026-01-31"},
)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ((1.0, 2.0, 9.0, 0.0), 0.725),  # all at their means: 0.25, an eighth of the way from 0.7 to 0.9
        ((3.0, 2.0, 0.0, 0.0), 0.825),  # 1 SD of weight 1: 1.25
        ((1.0, 3.0, 0.0, 0.0), 0.55),  # 1 of weight -1: -0.75
        ((1.0, 2.0, 0.0, 4.0), 0.775),  # 1 of weight 0.5: 0.75
        ((9.0, 2.0, 0.0, 0.0), 0.9),  # beyond the knots it is level
        ((-9.0, 2.0, 0.0, 0.0), 0.5),
    ],
)
def test_the_expected_dice_by_hand(features: tuple[float, ...], expected: float) -> None:
    assert CURVE.expect(np.array(features)) == pytest.approx(expected)


def test_unknown_features_expect_nothing() -> None:
    found = CURVE.expect(np.array([[1.0, 2.0, 0.0, 0.0], [np.nan, 2.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, [0.725, np.nan])
    assert np.isnan(CURVE.expect_at_least(np.full(4, np.nan)))


def test_nineteen_of_twenty_reach_odds_that_much_lower() -> None:
    odds = 0.725 / 0.275 / np.e
    assert CURVE.expect_at_least(np.array([1.0, 2.0, 0.0, 0.0])) == pytest.approx(odds / (1 + odds))


def test_json_and_back() -> None:
    content = json.loads(json.dumps(MADE.to_json()))
    assert Calibration.from_json(content) == MADE
    curve = {
        "means": [1.0, 2.0, 0.0, 0.0],
        "scales": [2.0, 1.0, 1.0, 4.0],
        "weights": [1.0, -1.0, 0.0, 0.5],
        "intercept": 0.25,
        "estimates": [-1.0, 0.0, 2.0],
        "dice": [0.5, 0.7, 0.9],
        "low": -1.0,
    }
    assert content == {
        "format": 1,
        "features": ["dice_logit", "lowest_slice_logit", "log_uncertain_share", "log_volume"],
        "curves": {
            "left_ventricle": curve,
            "myocardium": curve | {"low": -2.0},
            "right_ventricle": curve | {"low": -3.0},
        },
        "volumes": {"left_ventricle": [-0.5, 0.25], "myocardium": [-0.75, 0.5], "right_ventricle": [-1.0, 1.5]},
        "functions": {
            "left_ventricle": {"sv_ml": [-1.0, 2.0], "ef_percent": [-0.5, 0.5]},
            "right_ventricle": {"sv_ml": [-3.0, 4.0], "ef_percent": [-0.25, 0.75]},
        },
        "level": 0.9,
        "pass_dice": 0.91,
        "fail_dice": 0.8,
        "weights_sha256": "0f",
        "made_from": {"patients": 100, "date": "2026-01-31"},
    }


def test_whole_numbers_are_read_as_the_others_are() -> None:
    """As a person may write them."""
    content = json.loads(json.dumps(MADE.to_json()))
    content |= {"level": 1, "pass_dice": 1, "fail_dice": 0}
    content["volumes"]["myocardium"] = [-1, 1]
    content["curves"]["myocardium"] |= {"intercept": 0, "low": -1, "dice": [0, 1, 1]}
    read = Calibration.from_json(content)
    curve = read.curves["myocardium"]
    numbers = (read.level, read.pass_dice, read.fail_dice, *read.volumes["myocardium"])
    assert numbers == (1.0, 1.0, 0.0, -1.0, 1.0)
    assert {type(one) for one in (*numbers, curve.intercept, curve.low, *curve.dice)} == {float}


def _without(key: str, name: str) -> dict[str, Any]:
    """The calibration without one of its parts."""
    content = MADE.to_json()
    return content | {key: {one: value for one, value in content[key].items() if one != name}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (MADE.to_json() | {"format": 2}, "another format or other features"),
        (MADE.to_json() | {"features": ["dice_logit"]}, "another format or other features"),
        (_without("curves", "myocardium"), "other structures"),
        (_without("volumes", "right_ventricle"), "other structures"),
        (_without("functions", "left_ventricle"), "other functions"),
        (
            MADE.to_json() | {"functions": {side: {"sv_ml": (-1.0, 1.0)} for side in MADE.functions}},
            "other functions",
        ),
    ],
)
def test_what_was_made_for_something_else_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Calibration.from_json(content)


@pytest.mark.parametrize("key", ["format", "level", "pass_dice", "fail_dice", "weights_sha256", "made_from"])
def test_what_is_missing_is_named(key: str) -> None:
    content = MADE.to_json()
    del content[key]
    with pytest.raises(KeyError, match=f"'{key}'"):
        Calibration.from_json(content)
