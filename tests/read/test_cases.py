"""The one form of a case: names taken apart, label names turned into schemes, the last checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import DatasetError
from pipeline.core.labels import SCHEMES, UNLABELLED
from pipeline.read.datalists.cases import (
    finish_cases,
    is_hidden,
    parse_scheme,
    patient_and_phase,
    patient_of,
    read_json,
    scheme_from_names,
    scheme_values,
)


@pytest.mark.parametrize(
    ("name", "patient", "phase"),
    [
        ("A0S9V9_ED", "A0S9V9", "ED"),
        ("A0S9V9-es", "A0S9V9", "ES"),
        ("patient001_frame12", "patient001", ""),
        ("patient001_Phase3", "patient001", ""),
        ("p1-t007", "p1", ""),
        ("a_ED_frame01", "a_ED", ""),
        ("_ED", "_ED", ""),  # nothing is left for the patient
        ("caseED", "caseED", ""),
        ("case_ED2", "case_ED2", ""),
        ("case_frame", "case_frame", ""),
        ("case_7", "case_7", ""),
        ("", "", ""),
    ],
)
def test_names_are_taken_apart(name: str, patient: str, phase: str) -> None:
    assert patient_and_phase(name) == (patient, phase)


@given(st.text(min_size=1).filter(lambda name: "\n" not in name), st.sampled_from(["_ED", "-ES", "_frame1", "_t20"]))
def test_a_patient_s_phases_have_the_patient_in_common(patient: str, ending: str) -> None:
    assert patient_and_phase(patient + ending)[0] == patient


PATH = Path("dataset.json")


def test_labels_by_value_and_by_name_are_the_same_scheme() -> None:
    by_value = scheme_from_names({"0": "background", "1": "RV", "2": "MYO", "3": "LV"}, path=PATH)
    by_name = scheme_from_names({"background": 0, "RV": 1, "MYO": 2, "LV": 3}, path=PATH)
    assert by_value == by_name == dict(SCHEMES["acdc"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BG", 0),
        ("LV", 1),
        ("LVC", 1),
        ("LV_cavity", 1),
        ("  lv   blood-pool ", 1),
        ("LVBP", 1),
        ("Left Ventricle", 1),
        ("left_ventricular_cavity", 1),
        ("MYO", 2),
        ("MLV", 2),
        ("lvm", 2),
        ("LV_myo", 2),
        ("Myocardium", 2),
        ("LV-Myocardium", 2),
        ("Left ventricular myocardium", 2),
        ("RV", 3),
        ("RVC", 3),
        ("rvbp", 3),
        ("RV cavity", 3),
        ("RV_blood_pool", 3),
        ("right-ventricle", 3),
        ("right_ventricular_cavity", 3),
    ],
)
def test_structures_have_many_spellings(name: str, value: int) -> None:
    assert scheme_from_names({name: 7}, path=PATH) == {7: value}


@pytest.mark.parametrize("labels", [{"atrium": 1}, {"1": "atrium"}, {"LV": 1.5}, {"LV": -1}, {"LV": [1, 2]}, {"1": 2}])
def test_names_and_values_that_are_none_are_refused(labels: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"whole numbers, got .*\[dataset\.json\]"):
        scheme_from_names(labels, path=PATH)


def _case(folder: Path, name: str, **facts: Any) -> dict[str, Any]:
    paths = {}
    for kind in ("image", "label"):
        path = folder / f"{name}_{kind}.nii.gz"
        nib.save(nib.Nifti1Image(np.zeros((4, 5, 2), np.uint8), np.diag([1.5, 1.25, 8.0, 1.0])), path)
        paths[kind] = str(path)
    return {**paths, "patient": name, "phase": "", "scheme": "cmr", **facts}


def test_cases_are_sorted_by_patient_phase_and_label(tmp_path: Path) -> None:
    cases = [_case(tmp_path, "c1", patient="b", phase="ED"), _case(tmp_path, "c2", patient="a", phase="ES")]
    cases += [_case(tmp_path, "c4", patient="a", phase="ED"), _case(tmp_path, "c3", patient="a", phase="ED")]
    finished = finish_cases(cases, source=tmp_path)
    assert [(case["patient"], case["phase"], Path(case["label"]).name[:2]) for case in finished] == [
        ("a", "ED", "c3"),
        ("a", "ED", "c4"),
        ("a", "ES", "c2"),
        ("b", "ED", "c1"),
    ]
    assert finish_cases(cases[::-1], source=tmp_path) == finished


def test_what_else_is_known_of_a_case_stays(tmp_path: Path) -> None:
    (case,) = finish_cases([_case(tmp_path, "c", scheme={"0": 0, "5": "3"}, centre=4)], source=tmp_path)
    assert (case["scheme"], case["centre"]) == ({0: 0, 5: 3}, 4)


@pytest.mark.parametrize("stated", ["0 7", "7, 0", [7, 0], ["0", 7]])
def test_drawn_phases_may_be_spelled_as_a_table_spells_them(tmp_path: Path, stated: Any) -> None:
    (case,) = finish_cases([_case(tmp_path, "c", drawn_phases=stated)], source=tmp_path)
    assert case["drawn_phases"] == [0, 7]
    (none,) = finish_cases([_case(tmp_path, "c", drawn_phases="")], source=tmp_path)
    assert "drawn_phases" not in none
    with pytest.raises(DatasetError, match="`drawn_phases` must be whole numbers"):
        finish_cases([_case(tmp_path, "c", drawn_phases="ED")], source=tmp_path)


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("acdc", "acdc"),
        ("1=LV,2=MYO,3=RV", {0: 0, 1: 1, 2: 2, 3: 3}),
        ("0 = background, 500=LV, 600=lv myo, 820=drop", {0: 0, 500: 1, 600: 2, 820: 0}),
        ("1=LV,4=ignore", {0: 0, 1: 1, 4: UNLABELLED}),
    ],
)
def test_a_scheme_is_spelled_on_a_command_line(text: str, scheme: Any) -> None:
    assert parse_scheme(text) == scheme


@pytest.mark.parametrize("text", ["other", "", "1=atrium", "x=LV", "1=LV,2"])
def test_what_is_no_scheme_is_refused(text: str) -> None:
    with pytest.raises(DatasetError):
        parse_scheme(text)


def test_a_scheme_has_the_structures_that_it_maps_to() -> None:
    assert scheme_values("acdc") == {1, 2, 3}
    assert scheme_values("lv_cavity") == {1}
    assert scheme_values({0: 0, 4: 2, 5: 2, 6: 255}) == {2}


def test_no_case_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least one labelled case"):
        finish_cases([], source=tmp_path)


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_a_scheme_s_name_is_kept(tmp_path: Path, name: str) -> None:
    (case,) = finish_cases([_case(tmp_path, "c", scheme=name)], source=tmp_path)
    assert case["scheme"] == name


@pytest.mark.parametrize(
    ("scheme", "need"),
    [
        ("other", "`scheme` must be one of .* got 'other'"),
        (None, "`scheme` must be one of .* got None"),
        (3, "`scheme` must be one of"),
        (["cmr"], "`scheme` must be one of"),
        ({"a": 1}, "must map whole numbers to whole numbers"),
        ({"0": None}, "must map whole numbers to whole numbers"),
        ({"0": 0, "1": 7}, "must map to our values"),
    ],
)
def test_unknown_schemes_are_refused(tmp_path: Path, scheme: Any, need: str) -> None:
    with pytest.raises(DatasetError, match=need):
        finish_cases([_case(tmp_path, "c", scheme=scheme)], source=tmp_path)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one), max_leaves=5))
def test_json_is_read_as_written(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "read_as_written.json"
    path.write_text(json.dumps(value), encoding="utf-8-sig")  # as Windows' editors do
    assert read_json(path) == value
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read_json(path) == value


def test_what_is_no_json_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\xfa")
    for name in ("broken.json", "binary.json", "absent.json"):
        with pytest.raises(DatasetError, match=rf"valid JSON .*{name}\]"):
            read_json(tmp_path / name)


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ({"patient": "A0S9V9", "image": "p1_ED.nii"}, "A0S9V9"),
        ({"patient": 17}, "17"),
        ({"patient": "", "image": "studies/p1_ED.nii.gz"}, "p1"),
        ({"image": Path("studies/p1_t07.nrrd")}, "p1"),
        ({"image": ["in/p2_frame1.nii", "in/p3_frame2.nii"]}, "p2"),
        ({"image": []}, ""),
        ({}, ""),
    ],
)
def test_the_patient_of_a_case_that_others_list(case: dict[str, Any], patient: str) -> None:
    assert patient_of(case) == patient


@pytest.mark.parametrize(
    ("labels", "got"),
    [({"LV": 1, "atrium": 2}, "'atrium': 2"), ({"4": "atrium"}, "'atrium': '4'"), ({"LV": "one"}, "'LV': 'one'")],
)
def test_a_name_that_is_none_is_told_with_all_that_are(labels: dict[str, Any], got: str) -> None:
    with pytest.raises(DatasetError) as caught:
        scheme_from_names(labels, path=PATH)
    assert str(caught.value).startswith("labels must map ['background', 'bg', 'drop', ")
    assert str(caught.value).endswith(f", 'unlabelled'] to whole numbers, got {got}; or state `scheme` [dataset.json]")


SCHEMES_ARE = "`scheme` must be one of ['acdc', 'cmr', 'lv_cavity', 'mnms'], a mapping, or pairs as 1=LV,2=MYO,3=RV"


@pytest.mark.parametrize(
    ("scheme", "told"),
    [
        ("other", f"{SCHEMES_ARE}, got 'other'"),
        (["cmr"], f"{SCHEMES_ARE}, got ['cmr']"),
        ({"a": 1}, "a scheme must map whole numbers to whole numbers, got {'a': 1}"),
        ({1: None}, "a scheme must map whole numbers to whole numbers, got {1: None}"),
        ({0: 0, 1: 7}, "a scheme must map to our values [0, 1, 2, 3, 255], got {0: 0, 1: 7}"),
    ],
)
def test_schemes_that_are_none_are_told_with_the_data_set(tmp_path: Path, scheme: Any, told: str) -> None:
    with pytest.raises(DatasetError) as caught:
        finish_cases([_case(tmp_path, "c", scheme=scheme)], source=tmp_path)
    assert str(caught.value) == f"{told} [{tmp_path}]"
    assert caught.value.path == tmp_path


def test_a_scheme_s_pairs_may_stand_in_a_list(tmp_path: Path) -> None:
    (case,) = finish_cases([_case(tmp_path, "c", scheme="1=RV, 2 = LV")], source=tmp_path)
    assert case["scheme"] == {0: 0, 1: 3, 2: 1}
    with pytest.raises(DatasetError) as caught:
        parse_scheme("other")
    assert (str(caught.value), caught.value.path) == (f"{SCHEMES_ARE}, got 'other'", None)
    with pytest.raises(DatasetError, match=r"got 'atrium': '1'; or state `scheme`$") as caught:
        parse_scheme("1=atrium")
    assert caught.value.path is None


@pytest.mark.parametrize("name", ["drawn_phases", "undrawn_slices"])
def test_numbers_of_phases_and_slices(tmp_path: Path, name: str) -> None:
    (case,) = finish_cases([_case(tmp_path, "c", **{name: "9,0, 9 2"})], source=tmp_path)
    assert case[name] == [0, 2, 9]
    (case,) = finish_cases([_case(tmp_path, "c", **{name: []})], source=tmp_path)
    assert case[name] == []
    for stated in ("one", 3, [None]):
        with pytest.raises(DatasetError) as caught:
            finish_cases([_case(tmp_path, "c", **{name: stated})], source=tmp_path)
        assert str(caught.value) == f"`{name}` must be whole numbers from 0 on, got {stated!r} [{tmp_path}]"


def test_no_case_is_told_with_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        finish_cases(iter(()), source=tmp_path)
    assert str(caught.value) == f"a data set needs at least one labelled case, got none [{tmp_path}]"


@pytest.mark.parametrize(("name", "hidden"), [("a/._b.nii", True), (".a/b.nii", False), ("b.nii", False)])
def test_what_a_file_manager_leaves_is_hidden(name: str, hidden: bool) -> None:
    assert is_hidden(name) is is_hidden(Path(name)) is hidden
