"""What the command line says of a case."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.predict import CaseResult
from pipeline.app.summary import case_line
from pipeline.core.measurements import Measurements


def test_a_failure_says_why() -> None:
    assert case_line(CaseResult("one", Path("out/one"), error="no slices")) == "one: FAILED: no slices"


def test_a_bundle_that_measures_nothing_is_no_failure() -> None:
    line = case_line(CaseResult("one", Path("out/one")))
    assert "FAILED" not in line
    assert "measures nothing (not for diagnosis) -> out/one" in line


def test_one_phase_has_volumes_and_no_function() -> None:
    measured = Measurements("single_phase", 1, 9, (1.5, 1.5, 8.0), {"left_ventricle": [81.25]})
    line = case_line(CaseResult("one", Path("out"), measured))
    assert "left_ventricle 81.2 ml" in line
    assert "one phase" in line
