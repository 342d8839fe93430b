"""Calibration on patients made by a known rule: what it promises of new ones must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from pipeline.core.errors import DatasetError
from pipeline.core.labels import STRUCTURES
from pipeline.evaluate.calibration import (
    GOOD_DICE,
    choose_threshold,
    cross_fit,
    fit_calibration,
)
from pipeline.evaluate.calibration_rows import StructureRow
from pipeline.measure.certainty.calibration import Calibration

SD = 0.35
"""Of the Dice's logit around what the features say."""


def make_rows(n_patients: int, *, seed: int) -> list[StructureRow]:
    """Dice follows two of the features; volumes err by a tenth of their spread, and are 0.3 spreads too small."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        for volume, ml in (("ED", 150.0), ("ES", 60.0)):
            hard = rng.normal(0.0, 0.5)
            for structure in STRUCTURES:
                own = rng.normal(2.6, 0.3) - hard
                features = (own, own + rng.normal(0.0, 0.2), rng.normal(-1.0, 0.2) + 0.3 * hard, np.log(ml))
                dice = float(expit(0.8 * own - 0.5 * (features[2] + 1.0) + 0.5 + rng.normal(0.0, SD)))
                found, spread = ml * rng.uniform(0.8, 1.2), 0.2 * ml
                true = found + spread * (0.3 + rng.normal(0.0, 0.1))
                rows.append(
                    StructureRow(f"p{seed}-{patient}", volume, structure.name, features, dice, true, found, spread)
                )
    return rows


@pytest.fixture(scope="module")
def rows() -> list[StructureRow]:
    return make_rows(150, seed=0)


@pytest.fixture(scope="module")
def calibration(rows: list[StructureRow]) -> Calibration:
    return fit_calibration(rows, made_from={"patients": 150})


def test_expected_dice_is_right_in_the_mean_of_new_patients(calibration: Calibration) -> None:
    new = make_rows(400, seed=1)
    for structure in STRUCTURES:
        own = [row for row in new if row.structure == structure.name]
        expected = calibration.curves[structure.name].expect(np.array([row.features for row in own]))
        dice = np.array([row.dice for row in own])
        for low, high in ((0.8, 0.85), (0.85, 0.9), (0.9, 0.93), (0.93, 1.0)):
            inside = (expected >= low) & (expected < high)
            assert abs((expected - dice)[inside].mean()) < (0.02 if low >= 0.85 else 0.05), (structure.name, low)
        reached = (
            dice >= calibration.curves[structure.name].expect_at_least(np.array([row.features for row in own]))
        ).mean()
        assert 0.92 < reached < 0.98


def test_intervals_cover_new_patients_as_often_as_they_say(calibration: Calibration) -> None:
    new = make_rows(400, seed=2)
    for structure in STRUCTURES:
        low, high = calibration.volumes[structure.name]
        assert (low + high) / 2 == pytest.approx(0.3, abs=0.05)  # the systematic part is taken back
        inside = [low <= (r.true_ml - r.found_ml) / r.spread_ml <= high for r in new if r.structure == structure.name]
        assert 0.86 < np.mean(inside) < 0.94
    low, high = calibration.functions["left_ventricle"]["sv_ml"]
    # stroke volumes err by (30 * 0.3 - 12 * 0.3) = 5.4 of hypot(30, 12) = 32.3 in the mean, by a tenth at random
    assert (low + high) / 2 == pytest.approx(5.4 / 32.3, abs=0.05)
    assert (high - low) / 2 == pytest.approx(1.645 * 0.1, abs=0.05)


def test_volumes_that_pass_are_good(calibration: Calibration) -> None:
    new = make_rows(400, seed=3)
    means: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in new:
        expected = float(calibration.curves[row.structure].expect(np.array(row.features)))
        means.setdefault((row.patient, row.volume), []).append((expected, row.dice))
    pairs = np.array([np.mean(own, axis=0) for own in means.values()])
    passed = pairs[:, 0] >= calibration.pass_dice
    assert (pairs[passed, 1] < GOOD_DICE).mean() < 0.05
    assert passed.mean() > 0.3


def test_every_volume_is_judged_without_its_patient(rows: list[StructureRow]) -> None:
    judged = cross_fit(rows)
    assert len(judged) == 300
    assert judged == cross_fit(rows)  # the same again
    inside = [
        low <= one.true_ml[name] <= high
        for one in judged
        for name, interval in one.intervals.items()
        if interval is not None
        for low, high in [interval]
    ]
    assert 0.86 < np.mean(inside) < 0.94
    one = judged[0]
    others = [row if row.patient != one.patient else replace(row, dice=0.0, true_ml=1e4) for row in rows]
    (again,) = [two for two in cross_fit(others) if (two.patient, two.volume) == (one.patient, one.volume)]
    assert (again.expected, again.intervals) == (one.expected, one.intervals)  # its own truth does not enter


def test_what_was_not_found_expects_nothing(rows: list[StructureRow]) -> None:
    lost = [
        replace(row, features=(np.nan,) * 4, spread_ml=np.nan, dice=0.0, found_ml=0.0)
        if (row.patient, row.volume, row.structure) == ("p0-0", "ES", "right_ventricle")
        else row
        for row in rows
    ]
    (judged,) = [one for one in cross_fit(lost) if (one.patient, one.volume) == ("p0-0", "ES")]
    assert judged.expected["right_ventricle"] == 0.0
    assert judged.intervals["right_ventricle"] is None
    assert judged.verdict != "pass"


def test_it_survives_json(calibration: Calibration) -> None:
    import json

    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_too_few_patients_or_structures_are_refused() -> None:
    for judge in (fit_calibration, cross_fit):
        with pytest.raises(DatasetError, match="needs 20 patients or more in whom all structures were drawn, got 9"):
            judge(make_rows(9, seed=0))
        assert judge(make_rows(20, seed=0))
    with pytest.raises(DatasetError, match="p0-3 ED lacks"):
        fit_calibration(
            [r for r in make_rows(30, seed=0) if (r.patient, r.volume, r.structure) != ("p0-3", "ED", "myocardium")]
        )


@pytest.mark.parametrize(
    ("n_good", "n_bad_above", "passes"),
    [(100, 2, True), (97, 3, False), (49, 1, True), (30, 1, False)],
)
def test_the_threshold_lets_one_bad_volume_of_fifty_pass(n_good: int, n_bad_above: int, passes: bool) -> None:
    expected = np.concatenate([np.linspace(0.9, 0.95, n_good), np.full(n_bad_above, 0.925), np.linspace(0.5, 0.8, 20)])
    dice = np.concatenate([np.full(n_good, 0.92), np.full(n_bad_above, 0.8), np.full(20, 0.7)])
    threshold = choose_threshold(expected, dice)
    assert (threshold < 0.9) == passes
    passed = expected >= threshold
    assert (dice[passed] < GOOD_DICE).mean() <= 0.02


def test_no_threshold_where_the_surest_is_bad() -> None:
    assert choose_threshold(np.array([0.99, 0.9]), np.array([0.5, 0.9])) > 1
