from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.measurements import Measurements
from pipeline.write.pages import findings

NOTHING = Measurements("single_phase", n_phases=1, n_slices=3, spacing_mm=(3.0, 3.0, 10.0), volumes_ml={})


@pytest.fixture
def found(measured: dict[str, Any]) -> Measurements:
    return Measurements.from_json(measured)


def test_numbers_stand_in_their_columns(found: Measurements) -> None:
    rows = {row.name: row for row in findings.number_rows(found)}
    assert rows["End-diastolic volume"].left == found.left.edv_ml
    assert rows["End-diastolic volume"].right == found.right.edv_ml
    assert rows["End-diastolic volume"].left_indexed == 72.5
    assert rows["End-diastolic volume"].right_indexed is None
    assert rows["Cardiac output"].left is None
    assert rows["Myocardial mass at ED"].left_indexed == 61.25
    assert findings.number_rows(NOTHING) == []
    assert findings.headlines(NOTHING) == []
    main = {row.name: row for row in findings.headlines(found)}
    assert list(main) == ["LV EF", "LV EDV", "LV ESV", "LV mass", "RV EF", "RV EDV", "RV ESV"]
    assert (main["LV EF"].value, main["LV EF"].per_m2) == (found.left.ef_percent, None)
    assert (main["LV EDV"].value, main["LV EDV"].per_m2) == (found.left.edv_ml, 72.5)
    assert (main["LV mass"].per_m2, main["RV EDV"].per_m2) == (61.25, None)


def test_blood_alone_has_rows_of_the_left_ventricle(found: Measurements) -> None:
    rows = {row.name: (row.left, row.right, row.unit) for row in findings.blood_rows(found)}
    assert rows["EDV, blood alone"] == (81.5, None, "ml")
    assert rows["EF, blood alone"] == (62.6, None, "%")
    assert rows["Mass with papillary muscles"] == (133.7, None, "g")
    assert len(rows) == 5
    assert findings.blood_rows(NOTHING) == []
    assert (findings.papillary_sentence(found) or "").startswith("Blood alone: papillary muscles")
    assert findings.papillary_sentence(NOTHING) is None


def test_papillary_muscles_that_count_as_muscle_leave_no_second_rows(found: Measurements) -> None:
    as_mass = replace(found, papillary="mass")
    assert findings.blood_rows(as_mass) == []
    assert (findings.papillary_sentence(as_mass) or "").endswith("Contours and wall thickness have them in the cavity.")


def test_the_gravest_flag_comes_first_with_its_place(found: Measurements) -> None:
    first, second = findings.flags(found)
    assert (first.severity, first.place) == ("fail", f"phase {found.es_phase + 1}, slice 3")
    assert first.detail == "value 2, threshold 0.5"
    assert (second.place, second.detail, second.slice_index) == ("phase 6", "", None)
    assert findings.flags(NOTHING) == []
    assert [findings.verdict(one) for one in (found, NOTHING)] == ["fail", "not assessed"]


def test_confidence_is_told_at_ed_and_es_and_at_its_lowest(found: Measurements) -> None:
    row = findings.confidences(found)[0]
    assert row.at == (0.95, found.confidence["left_ventricle"][found.es_phase])
    assert (row.lowest, row.lowest_phase) == (0.8, 3)
    assert findings.confidences(NOTHING) == []
    (unknown,) = findings.confidences(replace(NOTHING, confidence={"left_ventricle": [None]}))
    assert (unknown.at, unknown.lowest, unknown.lowest_phase) == ((None,), None, None)
