"""The table of subjects: whose each row is, and all that is wrong with it at once."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import InputError, UnreadableError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, StudyFacts
from pipeline.core.subject import StatedSubject, Subject
from pipeline.read.discover import CaseFiles
from pipeline.read.subjects import find_subject, with_subject, with_subjects

HEADER = "id,sex,age,height_cm,weight_kg,heart_rate_bpm\n"


def _case(name: str, path: str) -> CaseFiles:
    return CaseFiles(name, Path(path), "nifti", (Path(path),), f"content {name}")


CASES = [
    _case("sub-01_ses-1_cine", "/in/sub-01/ses-1/sub-01_ses-1_cine.nii.gz"),
    _case("sub-01_ses-2_cine", "/in/sub-01/ses-2/sub-01_ses-2_cine.nii.gz"),
    _case("1234567_20209_2_0", "/in/1234567_20209_2_0.zip"),
    _case("12345", "/in/12345/DICOM"),
]


def _table(folder: Path, text: str) -> Path:
    path = folder / "subjects.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_find_their_cases(tmp_path: Path) -> None:
    """By name, by a part of the path, by what a part begins with; any field may be empty."""
    rows = "sub-01,F,41,170,65.5,62\nSUB-01_SES-2_CINE,female,43,,,\n1234567,m,,180,80,\n12345,,,,,50\n"
    found = with_subjects(CASES, _table(tmp_path, HEADER + rows))
    assert [case.subject for case in found] == [
        StatedSubject(Subject("F", 41.0, 170.0, 65.5), 62.0),
        StatedSubject(Subject("F", 43.0)),
        StatedSubject(Subject("M", None, 180.0, 80.0)),
        StatedSubject(Subject(), 50.0),
    ]


def test_columns_may_lack_and_come_in_any_order_and_as_excel_writes_them(tmp_path: Path) -> None:
    table = _table(tmp_path, "\ufeffWeight_kg;ID;site\n70,5;12345;3\n;;\n")
    *others, last = with_subjects(CASES, table)
    assert last.subject == StatedSubject(Subject(weight_kg=70.5))
    assert [case.subject for case in others] == [None] * 3


def test_what_has_no_counterpart_is_told_and_the_rest_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        with_subjects(CASES[2:], _table(tmp_path, HEADER + "12345,F,,,,\nsub-9,M,,,,\nsub-8,M,,,,\n"))
    assert "no case here has the id sub-9, sub-8" in caplog.text
    assert "has no row for 1234567_20209_2_0" in caplog.text


def test_what_all_paths_share_is_nobody_s(tmp_path: Path) -> None:
    found = with_subjects(CASES, _table(tmp_path, HEADER + "in,M,,,,\n12345,F,,,,\n"))
    assert [case.subject and case.subject.subject.sex for case in found] == [None, None, None, "F"]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    rows = "12345,X,400,1.75,6500,500\n,F,,,,\nsub-01,F,abc,nan,,\nses-1,F,,,,\nSUB-01,F,,,,\n"
    with pytest.raises(InputError) as caught:
        with_subjects(CASES, _table(tmp_path, HEADER + rows))
    first, *faults = str(caught.value).removesuffix(f" [{tmp_path / 'subjects.csv'}]").split("\n")
    assert first == "a table of subjects must be right, got 11 fault(s)"
    assert faults == [
        "line 2 (12345): `sex` must be F or M, got 'X'",
        "line 2 (12345): `age` must be 0 to 125, got '400'",
        "line 2 (12345): `height_cm` must be 25 to 260, got '1.75'",
        "line 2 (12345): `weight_kg` must be 0.4 to 450, got '6500'",
        "line 2 (12345): `heart_rate_bpm` must be 30 to 240, got '500'",
        "line 3: `id` must be stated",
        "line 4 (sub-01): `age` must be 0 to 125, got 'abc'",
        "line 4 (sub-01): `height_cm` must be 25 to 260, got 'nan'",
        "'sub-01' must have one row, got 2",
        "sub-01_ses-1_cine must have one row, got those of sub-01, ses-1, SUB-01",
        "sub-01_ses-2_cine must have one row, got those of sub-01, SUB-01",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have the columns id, sex"),
        ("name,sex\na,F\n", "must have the columns id, sex"),
        ("id,sex,sex\na,F,M\n", "once each, got id, sex, sex"),
        (HEADER + "other,F,,,,\n", "at least one id must be of a case, got other for sub-01"),
        ('id,sex\n"a,F\n', "must be valid CSV"),
    ],
)
def test_what_is_no_table_of_these_cases_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_subjects(CASES, _table(tmp_path, text))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="a table of subjects was expected here"):
        with_subjects(CASES, tmp_path / "none.csv")


def test_one_case_s_row_among_others(tmp_path: Path) -> None:
    table = _table(tmp_path, HEADER + "a,F,,,,\nb,M,,,,\n")
    assert find_subject(table, name="b", path=None).subject.sex == "M"
    assert find_subject(table, name="P-01", path=Path("/in/a/DICOM")).subject.sex == "F"
    with pytest.raises(InputError, match="c must have one row, got none"):
        find_subject(table, name="c", path=None)


def _cine(**facts: float | str) -> Cine:
    return Cine(np.zeros((1, 2, 2, 2)), Grid((2, 2, 2), np.eye(4)), facts=StudyFacts(**facts))


def test_what_is_stated_is_taken_and_a_header_that_says_otherwise_is_noted() -> None:
    header = _cine(sex="M", age_years=41.0, height_m=1.752, weight_kg=80.0)
    given = with_subject(header, Subject("F", 41.5, 175.0, None))
    assert (given.facts.sex, given.facts.age_years, given.facts.height_m) == ("F", 41.5, 1.75)
    assert given.facts.weight_kg == 80.0  # which the table leaves open
    (note,) = given.notes
    assert note.startswith("sex, age, height as the table of subjects states; the images' header says sex M, which")
    (note,) = with_subject(_cine(age_years=97.0), Subject(age_years=79.0)).notes
    assert note == "age as the table of subjects states; the images' header says another age, which is not taken"
    (note,) = with_subject(_cine(), Subject(weight_kg=70.0)).notes
    assert note == "weight as the table of subjects states"
    assert with_subject(header, Subject()) is header is with_subject(header, None)


def test_warnings_name_ten_and_count_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    strangers = "".join(f"x{n},\n" for n in range(12))
    table = _table(tmp_path, f"id,site\n12345,3\n{strangers}")
    others = [_case(f"c{n}", f"/in/c{n}/DICOM") for n in range(10)]
    with caplog.at_level(logging.WARNING):
        found = with_subjects([CASES[3], *others], table)
    assert found[0].subject == StatedSubject(Subject())
    assert found[1:] == others
    assert caplog.messages == [
        f"{table}: site is not used; columns are id, sex, age, height_cm, weight_kg, heart_rate_bpm",
        f"no case here has the id x0, x1, x2, x3, x4, x5, x6, x7, x8, x9 and 2 more of {table}",
        f"{table} has no row for c0, c1, c2, c3, c4, c5, c6, c7, c8, c9",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id,sex\n\xff,F\n", "a table of subjects must be a CSV file in UTF-8 ("),
        (b'id,sex\n"a,F\n', "a table of subjects must be valid CSV ("),
        (None, "a table of subjects was expected here (No such file or directory)"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, told: str) -> None:
    table = tmp_path / "subjects.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(UnreadableError) as caught:
        find_subject(table, name="a", path=None)
    assert str(caught.value).startswith(told)
    assert caught.value.path == table


@pytest.mark.parametrize("divider", [",", ";", "\t"])
def test_columns_are_divided_by_what_the_first_line_has_most_of(tmp_path: Path, divider: str) -> None:
    rows = (("id", "sex", "age_years", "weight_kg"), ("a", "F", "41", "70.5"), ("b,c;d", "M", "", ""))
    lines = (divider.join(f'"{cell}"' for cell in row) for row in rows)
    table = _table(tmp_path, "\n".join(lines) + "\n")
    assert find_subject(table, name="a", path=None) == StatedSubject(Subject("F", 41.0, None, 70.5))
    assert find_subject(table, name="b,c;d", path=None) == StatedSubject(Subject("M"))


def test_columns_that_are_none_or_twice_there_are_told_in_full(tmp_path: Path) -> None:
    columns = "id, sex, age, height_cm, weight_kg, heart_rate_bpm"
    for text, got in (("name,sex\n", "name, sex"), ("id,age,AGE_years\n", "id, age, age"), ("", "")):
        table = _table(tmp_path, text)
        with pytest.raises(InputError) as caught:
            find_subject(table, name="a", path=None)
        assert str(caught.value) == (
            "a table of subjects must be right, got 1 fault(s)\n"
            f"a table of subjects must have the columns {columns} once each, got {got} [{table}]"
        )


def test_two_rows_of_one_case_are_refused_by_name(tmp_path: Path) -> None:
    table = _table(tmp_path, "id\nsub-01\nses-1\n")
    with pytest.raises(InputError) as caught:
        find_subject(table, name="cine", path=Path("/in/sub-01/ses-1/cine.nii.gz"))
    assert str(caught.value).splitlines()[1] == f"cine must have one row, got sub-01, ses-1 [{table}]"
    assert caught.value.path == table


def test_a_fault_of_any_row_is_told_before_a_case_is_missed(tmp_path: Path) -> None:
    table = _table(tmp_path, "id,age\nb,-1\n")
    with pytest.raises(InputError) as caught:
        find_subject(table, name="a", path=None)
    assert str(caught.value) == (
        f"a table of subjects must be right, got 1 fault(s)\nline 2 (b): `age` must be 0 to 125, got '-1' [{table}]"
    )


@pytest.mark.parametrize(
    ("id_", "fits"),
    [
        ("1234567", True),
        ("1234567_20209", True),
        ("1234567_20209_2_0", True),
        ("123456", False),  # what a part begins with, but not before a `_`
        ("20209", False),
        ("20209_2_0", False),
        ("IN", True),  # of a single case all of the path counts
    ],
)
def test_which_ids_a_case_may_have(tmp_path: Path, id_: str, fits: bool) -> None:
    table = _table(tmp_path, f"id,sex\n{id_},M\n")
    if fits:
        assert [case.subject for case in with_subjects(CASES[2:3], table)] == [StatedSubject(Subject("M"))]
    else:
        with pytest.raises(InputError, match=f"at least one id must be of a case, got {id_} for 1234567_20209_2_0"):
            with_subjects(CASES[2:3], table)


def test_the_closest_match_is_the_case_s_own(tmp_path: Path) -> None:
    """A name before a part of the path, and that before what a part begins with."""
    path = Path("/in/4711/4711_2019_cine.nii.gz")
    rows = "4711_2019_cine,F,1\n4711,F,2\n4711_2019,F,3\n"
    table = _table(tmp_path, f"id,sex,age\n{rows}")
    assert find_subject(table, name="4711_2019_cine", path=path).subject.age_years == 1.0
    assert find_subject(table, name="other", path=path.parent).subject.age_years == 2.0
    table = _table(tmp_path, "id,sex,age\n4711_2019,F,3\n")
    assert find_subject(table, name="other", path=path).subject.age_years == 3.0


@pytest.mark.parametrize("rate", [30.0, 240.0])
def test_the_limits_themselves_are_within(tmp_path: Path, rate: float) -> None:
    table = _table(tmp_path, HEADER + f'a,f,"125","260","0,4",{rate}\n')
    assert find_subject(table, name="a", path=None) == StatedSubject(Subject("F", 125.0, 260.0, 0.4), rate)


@pytest.mark.parametrize(
    ("header", "stated", "other"),
    [
        ({"height_m": 1.755}, Subject(height_cm=175.0), None),
        ({"height_m": 1.756}, Subject(height_cm=175.0), "height 1.756"),
        ({"weight_kg": 70.5}, Subject(weight_kg=70.0), None),
        ({"weight_kg": 69.4}, Subject(weight_kg=70.0), "weight 69.4"),
        ({"age_years": 41.0}, Subject(age_years=42.0), None),
        ({"age_years": 41.0}, Subject(age_years=42.1), "another age"),
        ({"sex": "F"}, Subject(sex="F"), None),
        ({"sex": "M", "weight_kg": 60.0}, Subject(sex="F", weight_kg=80.0), "sex M, weight 60.0"),
    ],
)
def test_only_more_than_rounding_is_another_value(header: dict, stated: Subject, other: str | None) -> None:
    (note,) = with_subject(_cine(**header), stated).notes
    said = note.partition(" as the table of subjects states")[2]
    assert said == (f"; the images' header says {other}, which is not taken" if other else "")


def test_what_is_stated_is_a_note_behind_those_of_the_reader() -> None:
    cine = replace(_cine(), notes=("read",))
    given = with_subject(cine, Subject("M", 50.0, 180.0, 80.0))
    assert given.notes == ("read", "sex, age, height, weight as the table of subjects states")
    assert given.facts == StudyFacts(sex="M", age_years=50.0, height_m=1.8, weight_kg=80.0)
