"""Reference values: the comparison by hand, whom it fits, tables of one's own, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.quantities import QUANTITIES
from pipeline.core.reference import Reference, References
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
    assert "counts papillary muscles as mass, these numbers as cavity" in found.not_compared[0]
    (row,) = compare_with_references(
        {"left_ventricle_edv_ml": 166.0},
        MAN,
        own=read_reference_table(_table(tmp_path, f"left_ventricle_edv_ml,M,20,80,156,21,,,mass,{source}")),
    ).compared
    assert row.mean == 166.0  # the shipped row, which fits, not the first


def test_numbers_with_papillary_muscles_as_mass_are_compared_with_their_like(tmp_path: Path) -> None:
    own = read_reference_table(_table(tmp_path, "left_ventricle_edv_ml,M,20,80,156,21,,,mass,Maceira"))
    found = compare_with_references({"left_ventricle_edv_ml": 177.0}, MAN, own=own, papillary="mass")
    assert [(row.mean, row.z, row.source) for row in found.compared] == [(156.0, 1.0, "Maceira")]
    alone = compare_with_references({"left_ventricle_edv_ml": 177.0}, MAN, papillary="mass")
    assert not alone.compared
    assert alone.not_compared[0].endswith("counts papillary muscles as cavity, these numbers as mass")


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


def _row(**changes: object) -> ReferenceRow:
    """100 +- 10 ml of men of 20 to 80 years, with changes."""
    row = {"quantity": "left_ventricle_edv_ml", "sex": "M", "age_from": 20.0, "age_to": 80.0, "mean": 100.0}
    row |= {"sd": 10.0, "lower": None, "upper": None, "papillary": "cavity", "source": "ours"}
    return ReferenceRow(**row | changes)  # type: ignore[arg-type]


def test_a_comparison_in_full() -> None:
    """100 +- 10/3 ml: limits of 93.4667 and 106.5333."""
    own = [_row(sd=10 / 3), _row(mean=200.0)]  # the first that fits
    assert compare_with_references({"left_ventricle_edv_ml": 107.0}, MAN, own=own) == References(
        (
            Reference(
                quantity="left_ventricle_edv_ml",
                value=107.0,
                lower=93.47,
                upper=106.53,
                position="above",
                mean=100.0,
                sd=10 / 3,
                z=2.1,
                age_from=20.0,
                age_to=80.0,
                source="ours",
            ),
        ),
        (),
    )


@pytest.mark.parametrize(
    ("value", "position"), [(59.99, "below"), (60.0, "within"), (109.0, "within"), (109.01, "above")]
)
def test_the_limits_themselves_are_within(value: float, position: str) -> None:
    (row,) = compare_with_references({"left_ventricle_edv_ml_per_m2": value}, MAN).compared
    assert row.position == position


@pytest.mark.parametrize(
    ("changes", "limits"),
    [
        ({}, (80.4, 119.6)),
        ({"lower": 70.0}, (70.0, 119.6)),  # a limit that is stated comes before the one by the mean
        ({"upper": 150.0}, (80.4, 150.0)),
        ({"mean": None, "sd": None, "lower": 70.0}, (70.0, None)),
        ({"mean": None, "sd": None, "upper": 150.0}, (None, 150.0)),
    ],
)
def test_limits_by_hand(changes: dict[str, object], limits: tuple[float | None, float | None]) -> None:
    assert _row(**changes).limits() == pytest.approx(limits)


def test_z_has_two_decimals_and_the_limits_too() -> None:
    (row,) = compare_with_references({"left_ventricle_edv_ml": 104.0}, MAN, own=[_row(mean=101.0, sd=7.0)]).compared
    assert (row.z, row.lower, row.upper) == (0.43, 87.28, 114.72)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (Subject(), "nothing is compared without the subject's sex and age"),
        (Subject("M"), "nothing is compared without the subject's age"),
        (Subject(age_years=50.0), "nothing is compared without the subject's sex"),
    ],
)
def test_whose_sex_or_age_is_lacking_is_told(subject: Subject, reason: str) -> None:
    assert compare_with_references({"left_ventricle_edv_ml": 100.0}, subject) == References((), (reason,))


RIGHT = "right_ventricle_edv_ml"  # of which nothing is shipped


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "no reference values are at hand"),
        ([_row(quantity=RIGHT, papillary="mass")], "ours counts papillary muscles as mass, these numbers as cavity"),
        ([_row(quantity=RIGHT, sex="F")], "no reference values for this sex are at hand"),
        ([_row(quantity=RIGHT, age_to=59.0)], "ours is of ages from 20 to 59; the subject's is 60"),
        ([_row(quantity=RIGHT, age_from=None, age_to=59.0)], "ours is of ages to 59; the subject's is 60"),
        ([_row(quantity=RIGHT, age_from=61.0, age_to=None)], "ours is of ages from 61; the subject's is 60"),
        (
            [
                _row(quantity=RIGHT, age_to=40.0),
                _row(quantity=RIGHT, age_to=40.0),
                _row(quantity=RIGHT, age_from=70.0, source="theirs"),
                _row(quantity=RIGHT, sex="F", source="hers"),
                _row(quantity=RIGHT, papillary="mass", source="others"),
            ],
            "ours is of ages from 20 to 40, theirs is of ages from 70 to 80; the subject's is 60",
        ),
    ],
)
def test_why_nothing_fits_is_told(rows: list[ReferenceRow], reason: str) -> None:
    found = compare_with_references({RIGHT: 150.0}, MAN, own=rows)
    assert found == References((), (f"RV end-diastolic volume: {reason}",))


def test_each_reason_names_its_quantities() -> None:
    values = {RIGHT: 150.0, "right_ventricle_esv_ml": 60.0, "right_ventricle_sv_ml": 90.0}
    found = compare_with_references(values, MAN, own=[_row(quantity="right_ventricle_esv_ml", sex="F")])
    assert found.not_compared == (
        "RV end-diastolic volume, RV stroke volume: no reference values are at hand",
        "RV end-systolic volume: no reference values for this sex are at hand",
    )


@pytest.mark.parametrize("limit", ["age_from", "age_to"])
def test_a_band_without_an_end_fits_beyond_it(limit: str) -> None:
    age = 19.0 if limit == "age_from" else 81.0
    values, subject = {"left_ventricle_edv_ml": 100.0}, Subject("M", age)
    assert compare_with_references(values, subject, own=[_row(**{limit: None})]).compared
    assert not compare_with_references(values, subject, own=[_row()]).compared


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"quantity": "lv_edv"}, f"must be of one of {', '.join(QUANTITIES)}, got 'lv_edv'"),
        ({"sex": "X"}, "must be of sex F or M, got 'X'"),
        ({"papillary": "wall"}, "must count papillary muscles as cavity or mass, got 'wall'"),
        ({"source": ""}, "must name its source"),
        (
            {"upper": float("inf")},
            "must have finite numbers, got [20.0, 80.0, 100.0, 10.0, None, inf]",
        ),
        ({"sd": None}, "must have a mean and an SD above 0 or neither, got 100.0 and None"),
        ({"mean": None}, "must have a mean and an SD above 0 or neither, got None and 10.0"),
        ({"sd": 0.0}, "must have a mean and an SD above 0 or neither, got 100.0 and 0.0"),
        ({"mean": None, "sd": None}, "must have a mean and SD, or limits"),
        (
            {"mean": None, "sd": None, "lower": 9.0, "upper": 9.0},
            "must have limits and ages that rise, got (9.0, 9.0) and (20.0, 80.0)",
        ),
        ({"lower": 120.0}, "must have limits and ages that rise, got (120.0, 119.6) and (20.0, 80.0)"),
        ({"sd": 0.25, "age_to": 19.0}, "must have limits and ages that rise, got (99.51, 100.49) and (20.0, 19.0)"),
    ],
)
def test_what_is_wrong_with_a_row_is_told(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _row(**changes)
    assert str(refused.value) == f"a row of reference values {fault}"


def test_one_year_of_age_and_a_small_spread_are_a_row() -> None:
    assert _row(age_from=30.0, age_to=30.0, sd=0.5).limits() == pytest.approx((99.02, 100.98))
    assert _row(age_from=None, age_to=None).age_to is None


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_may_be_separated_otherwise_and_in_any_order(tmp_path: Path, separator: str) -> None:
    names = HEADER.split(",")[::-1]
    line = ["ours", "CAVITY", "", " 70.5 ", "", "", "80", "20", " Female ", "left_ventricle_edv_ml"]
    path = _table(tmp_path, separator.join(line), separator * 9, header=separator.join(f" {one} " for one in names))
    assert read_reference_table(str(path)) == (
        _row(sex="F", mean=None, sd=None, lower=70.5),  # and not the empty line
    )


def test_a_decimal_comma_is_one_where_commas_separate_nothing(tmp_path: Path) -> None:
    line = "left_ventricle_edv_ml\tM\t20\t80\t5,6\t1,1\t\t\tcavity\tours, 2020"
    (row,) = read_reference_table(_table(tmp_path, line, header=HEADER.replace(",", "\t")))
    assert (row.mean, row.sd, row.source) == (5.6, 1.1, "ours, 2020")
    with pytest.raises(ConfigError) as refused:
        read_reference_table(_table(tmp_path, 'left_ventricle_edv_ml,M,20,80,"5,6",1,,,cavity,ours'))
    assert str(refused.value) == (
        f"`mean` of reference values must be a number or empty, got '5,6' [{tmp_path / 'own.csv'}, line 2]"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "left_ventricle_edv_ml,M,20,80,1,1,,,cavity,Doe, 2020",
            "must have a field a column, got also [' 2020']; quote texts",
        ),
        ("left_ventricle_edv_ml,M,20,80,1,1", "must count papillary muscles as cavity or mass, got ''"),
        ("left_ventricle_edv_ml,M,20,80,1,1,,,cavity", "must name its source"),
    ],
)
def test_a_row_of_another_length_is_told(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_reference_table(_table(tmp_path, line))
    assert str(refused.value) == f"a row of reference values {message} [{tmp_path / 'own.csv'}, line 2]"


@pytest.mark.parametrize(
    ("header", "found"), [("", ""), ("a,,b ", "a, , b"), (f"{HEADER},more", f"{HEADER},more".replace(",", ", "))]
)
def test_other_columns_are_told(tmp_path: Path, header: str, found: str) -> None:
    wanted = HEADER.replace(",", ", ")
    path = tmp_path / "own.csv"
    path.write_text(header, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_reference_table(path)
    assert str(refused.value) == (f"a table of reference values must have the columns {wanted}, got {found} [{path}]")


def test_a_missing_table_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^a table of reference values must be a readable CSV file in UTF-8: .*missing\.csv'$"
    ):
        read_reference_table(tmp_path / "missing.csv")


def test_sources_with_other_letters_are_read(tmp_path: Path) -> None:
    (row,) = read_reference_table(_table(tmp_path, "left_ventricle_edv_ml,M,20,80,100,10,,,cavity,Müller"))
    assert row == _row(source="Müller")


def test_the_header_alone_tells_what_separates_columns(tmp_path: Path) -> None:
    source = "; ".join("abcdefghijklmnopqrstuvwxyz")  # more semicolons than the table has commas
    (row,) = read_reference_table(_table(tmp_path, f"left_ventricle_edv_ml,M,20,80,100,10,,,cavity,{source}"))
    assert row == _row(source=source)
