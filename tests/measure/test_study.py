"""All that is said of a study's label map, in one value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.measurements import Measurements
from pipeline.core.pose import AS_STORED, Pose, PoseFinding
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.measure.study import measure_study
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import PhantomStudy, make_cine


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(6), n_phases=6, size=100, pixel_mm=1.9)


def test_numbers_are_those_of_the_labels_and_the_readers_notes_come_first(study: PhantomStudy) -> None:
    cine = replace(study.image, notes=("a series was passed over",))
    measured = measure_study(cine, study.label.array, choice=PhaseChoice(es=3))
    alone = measure_cine(
        study.label.array, cine.grid, times_ms=cine.times_ms, facts=cine.facts, choice=PhaseChoice(es=3)
    )
    assert measured.left == alone.left
    assert (measured.es_phase, measured.es_from) == (3, "given")
    assert measured.notes == ("a series was passed over", *alone.notes)
    assert measured.confidence is None
    assert measured.quality is not None


def test_confidence_is_told_by_structure_and_judged(study: PhantomStudy) -> None:
    expected = np.full((6, 3), 0.97)
    expected[2, 1] = np.nan
    expected[:, 2] = 0.5
    measured = measure_study(study.image, study.label.array, confidence=expected)
    assert list(measured.confidence) == ["left_ventricle", "myocardium", "right_ventricle"]
    assert measured.confidence["myocardium"] == (0.97, 0.97, None, 0.97, 0.97, 0.97)
    assert {flag.rule for flag in measured.quality.flags if flag.severity == "fail"} == {"low_confidence"}
    assert measured.quality.verdict == "fail"


def test_the_pose_is_noted_kept_and_flagged_where_the_header_lies(study: PhantomStudy) -> None:
    found = PoseFinding(Pose(True, True, False), AS_STORED, True, 1.5, 1.25)
    measured = measure_study(study.image, study.label.array, pose=found)
    assert measured.notes[0] == found.sentence()
    assert "1.50 times" in measured.notes[0]
    assert "header_pose" in {flag.rule for flag in measured.quality.flags}
    again = Measurements.from_json(measured.to_json())
    assert again.pose == found
    assert again.notes == measured.notes
