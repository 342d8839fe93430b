"""Tables of a calibration by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Verdict
from pipeline.evaluate.calibration_rows import JudgedVolume
from pipeline.evaluate.calibration_tables import calibration_tables


def judged(patient: str, expected: float, dice: float, *, verdict: Verdict, true_ml: float = 100.0) -> JudgedVolume:
    names = [s.name for s in STRUCTURES]
    return JudgedVolume(
        patient=patient,
        volume="ED",
        expected=dict.fromkeys(names, expected),
        low=dict.fromkeys(names, expected - 0.05),
        dice=dict.fromkeys(names, dice),
        intervals=dict.fromkeys(names, (90.0, 110.0)),
        true_ml=dict.fromkeys(names, true_ml),
        verdict=verdict,
    )


def test_by_hand() -> None:
    tables = calibration_tables(
        [
            judged("a", 0.95, 0.94, verdict="pass"),
            judged("b", 0.93, 0.86, verdict="pass", true_ml=120.0),  # bad, and passes
            judged("c", 0.89, 0.91, verdict="review"),  # good, and does not
            judged("d", 0.79, 0.75, verdict="fail"),
        ]
    )
    assert tables["dice"]["mean"]["too_high_by"] == pytest.approx((0.01 + 0.07 - 0.02 + 0.04) / 4, abs=1e-4)
    assert tables["dice"]["mean"]["mean_absolute_difference"] == pytest.approx(0.14 / 4, abs=1e-4)
    assert tables["coverage"]["left_ventricle"]["share"] == 0.75
    assert tables["reached"]["right_ventricle"]["share"] == 0.75  # b is 0.07 below
    verdict = tables["verdict"]
    assert (verdict["bad"], verdict["pass"], verdict["bad_that_pass"], verdict["good_that_do_not_pass"]) == (2, 2, 1, 1)
    assert (verdict["fail"], verdict["good_that_fail"]) == (1, 0)
    assert verdict["area"] == 0.75  # of four pairs one is the wrong way round
    assert [(row["from"], row["n"]) for row in tables["reliability"]] == [(0.0, 1), (0.88, 1), (0.92, 1), (0.94, 1)]


def test_no_area_without_bad_volumes() -> None:
    verdict = calibration_tables([judged("a", 0.95, 0.94, verdict="pass"), judged("b", 0.9, 0.9, verdict="pass")])[
        "verdict"
    ]
    assert (verdict["area"], verdict["area_interval"]) == (None, None)


def test_what_was_drawn_in_part_stands_by_itself() -> None:
    low, high, held = (
        replace(one, dice=one.dice | {"myocardium": float("nan"), "right_ventricle": float("nan")})
        for one in (
            judged("x", 0.95, 0.84, verdict="pass"),
            judged("y", 0.95, 0.85, verdict="pass"),
            judged("z", 0.85, 0.8, verdict="review"),
        )
    )
    whole = [judged("a", 0.95, 0.94, verdict="pass"), judged("d", 0.79, 0.75, verdict="fail")]
    tables = calibration_tables([low, *whole, high, held])
    assert tables["partly_drawn"] == {
        "left_ventricle": {"volumes": 3, "dice": 0.83, "pass": 2, "low_that_pass": 1},
    }
    assert {key: value for key, value in tables.items() if key != "partly_drawn"} == {
        key: value for key, value in calibration_tables(whole).items() if key != "partly_drawn"
    }
