from typing import Any

from pipeline.write import findings


def test_facts_count_phases_from_1_and_leave_out_what_is_not_known(measured: dict[str, Any]) -> None:
    facts = dict(findings.study_facts(measured, manufacturer="ACME"))
    assert facts["Input"] == "cine: 8 phases, 8 slices"
    assert facts["End-diastole"] == "phase 1 (0 ms), found from the volumes"
    assert facts["End-systole"].startswith(f"phase {measured['es_phase'] + 1} (")
    assert facts["End-systole"].endswith("given by the user")
    assert facts["Body surface"] == "1.87 m² (Mosteller)"
    assert facts["Label map"] == "corrected by hand"
    assert facts["Voxels"] == "3.00 x 3.00 x 10.00 mm"
    assert findings.study_facts({}) == []
    assert findings.study_facts({"n_phases": 1, "kind": "single_phase"}) == [("Input", "a single phase: 1 phase")]


def test_numbers_stand_in_their_columns(measured: dict[str, Any]) -> None:
    rows = {row.name: row for row in findings.number_rows(measured)}
    left = measured["left_ventricle"]
    assert rows["End-diastolic volume"].left == left["edv_ml"]
    assert rows["End-diastolic volume"].left_indexed == 72.5
    assert rows["End-diastolic volume"].right_indexed is None
    assert rows["Cardiac output"].left is None
    assert rows["Myocardial mass at ED"].left_indexed == 61.25
    assert findings.number_rows({}) == []
    assert findings.headlines({}) == []
    assert {row.value for row in findings.headlines({"left_ventricle": {"edv_ml": 1.0}})} == {None, 1.0}


def test_the_gravest_flag_comes_first_with_its_place(measured: dict[str, Any]) -> None:
    first, second = findings.flags(measured)
    assert (first.severity, first.place) == ("fail", f"phase {measured['es_phase'] + 1}, slice 3")
    assert first.detail == "value 2, threshold 0.5"
    assert (second.place, second.detail, second.slice_index) == ("phase 6", "", None)
    assert findings.flags({"quality": None}) == []


def test_confidence_is_told_at_ed_and_es_and_at_its_lowest(measured: dict[str, Any]) -> None:
    row = findings.confidences(measured)[0]
    assert row.at == (0.95, measured["confidence"]["left_ventricle"][measured["es_phase"]])
    assert (row.lowest, row.lowest_phase) == (0.8, 3)
    assert findings.confidences({"confidence": None}) == []
    (unknown,) = findings.confidences({"confidence": {"left_ventricle": [None]}})
    assert (unknown.at, unknown.lowest, unknown.lowest_phase) == ((None,), None, None)
