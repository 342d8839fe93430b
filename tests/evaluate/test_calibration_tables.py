"""Tables of a calibration by hand."""

from __future__ import annotations

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
