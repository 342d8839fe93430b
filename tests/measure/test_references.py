"""Reference values: the comparison by hand, whom it fits, tables of one's own, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.quantities import QUANTITIES
from pipeline.core.subject import Subject
from pipeline.measure.reference_tables import ReferenceRow, read_reference_table, shipped_references
from pipeline.measure.references import compare_with_references

HEADER = "quantity,sex,age_from,age_to,mean,sd,lower,upper,papillary,source"
MAN, WOMAN = Subject("M", 60.0), Subject("F", 60.0)


def _table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "own.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_z_score_and_limits_by_hand() -> None:
    """UK Biobank's men of 45 to 74 years: 166 +- 32 ml, so 103.28 to 228.72 are 95 % of them."""
    (row,) = compare_with_references({"left_ventricle_edv_ml": 100.0}, MAN).compared
    assert (row.mean, row.sd, row.z, row.position) == (166.0, 32.0, -2.06, "below")
    assert (row.lower, row.upper) == (103.28, 228.72)
    assert (row.age_from, row.age_to) == (45.0, 74.0)
    assert "19:18, 2017" in row.source
    (row,) = compare_with_references({"left_ventricle_edv_ml": 124.0}, WOMAN).compared
    assert (row.z, row.position) == (0.0, "within")


def test_limits_without_a_mean_have_no_z() -> None:
    (row,) = compare_with_references({"left_ventricle_edv_ml_per_m2": 109.5}, MAN).compared
    assert (row.z, row.mean, row.position, row.lower, row.upper) == (None, None, "above", 60.0, 109.0)


@pytest.mark.parametrize(("age", "fits"), [(44.99, False), (45.0, True), (74.99, True), (75.0, False)])
def test_ages_count_in_completed_years(age: float, fits: bool) -> None:
    found = compare_with_references({"left_ventricle_esv_ml": 69.0}, Subject("M", age))
    assert bool(found.compared) is fits
    if not fits:
        (reason,) = found.not_compared
        assert reason.startswith("LV end-systolic volume: Petersen")
        assert reason.endswith(f"is of ages from 45 to 74; the subject's is {int(age)}")


def test_other_adults_are_compared_with_the_limits_for_all() -> None:
    ef = {"left_ventricle_ef_percent": 50.0}
    assert compare_with_references(ef, Subject("M", 60.0)).compared[0].z == -1.6
    for age in (18.0, 44.0, 80.0):
        (row,) = compare_with_references(ef, Subject("M", age)).compared
        assert (row.z, row.position) == (None, "below")
    child = compare_with_references(ef, Subject("M", 17.9))
    assert not child.compared
    assert "healthy adults) is of ages from 18; the subject's is 17" in child.not_compared[0]


@pytest.mark.parametrize(
    ("subject", "words"),
    [(Subject(), "sex and age"), (Subject("M"), "subject's age"), (Subject(age_years=50.0), "subject's sex")],
)
def test_a_subject_of_unknown_sex_or_age_is_not_compared(subject: Subject, words: str) -> None:
    found = compare_with_references({"left_ventricle_edv_ml": 100.0}, subject)
    assert not found.compared
    assert words in found.not_compared[0]


def test_what_no_source_covers_is_named_once() -> None:
    values = {"right_ventricle_edv_ml": 150.0, "right_ventricle_esv_ml": 60.0, "left_ventricle_edv_ml": 150.0}
    found = compare_with_references(values, MAN)
    assert [row.quantity for row in found.compared] == ["left_ventricle_edv_ml"]
    assert found.not_compared == ("RV end-diastolic volume, RV end-systolic volume: no reference values are at hand",)


def test_another_convention_is_not_compared_and_said(tmp_path: Path) -> None:
    """Maceira's LV counts papillary muscles as mass."""
    source = '"Maceira et al., J Cardiovasc Magn Reson 8:417, 2006"'
    own = read_reference_table(_table(tmp_path, f"right_ventricle_edv_ml,M,20,80,163,27,,,mass,{source}"))
    found = compare_with_references({"right_ventricle_edv_ml": 150.0}, MAN, own=own)
    assert not found.compared
    assert "counts papillary muscles as mass, these labels as cavity" in found.not_compared[0]
    (row,) = compare_with_references(
        {"left_ventricle_edv_ml": 166.0},
        MAN,
        own=read_reference_table(_table(tmp_path, f"left_ventricle_edv_ml,M,20,80,156,21,,,mass,{source}")),
    ).compared
    assert row.mean == 166.0  # the shipped row, which fits, not the first


def test_a_centre_s_own_rows_come_first(tmp_path: Path) -> None:
    own = read_reference_table(
        _table(
            tmp_path,
            "left_ventricle_edv_ml,male,18,39,170,30,,,cavity,our volunteers",
            "left_ventricle_edv_ml,m,40,,150,25,,,Cavity,our volunteers",
            "",
            "right_ventricle_ef_percent,F,,,,,48,,cavity,our volunteers",
        )
    )
    (row,) = compare_with_references({"left_ventricle_edv_ml": 200.0}, MAN, own=own).compared
    assert (row.z, row.source, row.age_to) == (2.0, "our volunteers", None)
    (row,) = compare_with_references({"right_ventricle_ef_percent": 47.0}, WOMAN, own=own).compared
    assert (row.lower, row.upper, row.position) == (48.0, None, "below")


def test_a_table_as_spreadsheets_of_other_countries_write_it(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    line = "left_ventricle_co_l_per_min;M;18;60;5,6;1,1;;;cavity;Unsere Probanden"
    path.write_text("\ufeff" + HEADER.replace(",", ";") + "\r\n" + line + "\r\n", encoding="utf-8")
    (row,) = read_reference_table(path)
    assert (row.mean, row.sd, row.source) == (5.6, 1.1, "Unsere Probanden")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lv_edv,M,20,80,1,1,,,cavity,x", "got 'lv_edv'"),
        ("left_ventricle_edv_ml,X,20,80,1,1,,,cavity,x", "sex F or M, got 'X'"),
        ("left_ventricle_edv_ml,M,20,80,1,0,,,cavity,x", "SD above 0"),
        ("left_ventricle_edv_ml,M,20,80,1,,,,cavity,x", "or neither"),
        ("left_ventricle_edv_ml,M,20,80,,,,,cavity,x", "or limits"),
        ("left_ventricle_edv_ml,M,20,80,,,9,5,cavity,x", "that rise"),
        ("left_ventricle_edv_ml,M,80,20,1,1,,,cavity,x", "that rise"),
        (
            "left_ventricle_edv_ml,M,20,80,a,1,,,cavity,x",
            "`mean` of reference values must be a number or empty, got 'a'",
        ),
        ("left_ventricle_edv_ml,M,20,80,nan,1,,,cavity,x", "finite"),
        ("left_ventricle_edv_ml,M,20,80,1,1,,,,x", "cavity or mass, got ''"),
        ("left_ventricle_edv_ml,M,20,80,1,1,,,cavity,", "must name its source"),
        ("left_ventricle_edv_ml,M,20,80,1,1,,,cavity,Doe, 2020", "quote texts"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    good = "left_ventricle_edv_ml,F,20,80,120,20,,,cavity,x"
    with pytest.raises(ConfigError, match=r"own\.csv, line 3\]") as refused:
        read_reference_table(_table(tmp_path, good, line))
    assert words in str(refused.value)


def test_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="readable CSV"):
        read_reference_table(tmp_path / "missing.csv")
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ConfigError, match="readable CSV"):
        read_reference_table(tmp_path / "image.csv")
    with pytest.raises(ConfigError, match=r"must have the columns quantity, sex, .* got a, b \["):
        read_reference_table(_table(tmp_path, "1,2", header="a,b"))


def test_the_shipped_rows_are_whole() -> None:
    """Each quantity for both sexes, all of the labels' own convention, none twice for one age."""
    rows = shipped_references()
    assert {row.papillary for row in rows} == {"cavity"}
    for quantity in {row.quantity for row in rows}:
        assert quantity in QUANTITIES
        for source in {row.source for row in rows}:
            sexes = [row.sex for row in rows if (row.quantity, row.source) == (quantity, source)]
            assert sorted(sexes) in ([], ["F", "M"])
    assert all(isinstance(row, ReferenceRow) for row in rows)
