"""Names of cases: by their paths alone, as data sets and archives lay them out, and safe whatever the path holds."""

from __future__ import annotations

import re
import shutil
import unicodedata

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.app.folders import claim_folder
from pipeline.read.discover import find_cases
from pipeline.read.names import case_name, distinct_names, safe_name, without_digits
from pipeline.read.sameness import digits_of

RIGHT_TO_LEFT = "\u202e"


@pytest.mark.parametrize(
    ("path", "n_below", "is_file", "name"),
    [
        ("bids/sub-01/ses-2/anat/sub-01_ses-2_cine", 4, True, "sub-01_ses-2_cine"),
        ("bids/sub-01/anat/sub-01_acq-sax_cine", 3, True, "sub-01_acq-sax_cine"),
        ("bids/sourcedata/sub-01/ses-2/dicom", 4, False, "sub-01_ses-2"),
        ("bids/sub-01/ses-2", 1, False, "sub-01_ses-2"),  # INPUT is sub-01
        ("bids/sub-01/ses-2", 0, False, "sub-01_ses-2"),
        ("ukb/1234567_20209_2_0", 1, False, "1234567_20209_2_0"),
        ("ukb/1234567/1234567_20209_2_0", 2, False, "1234567_20209_2_0"),
        ("ukb/1234567/cine_sax", 2, True, "1234567_cine_sax"),
        ("in/4711/DICOM", 2, False, "4711"),
        ("in/4711/cine", 2, True, "4711_cine"),
        ("in/4711/cine", 0, True, "4711_cine"),  # INPUT is the file
        ("in/4711/cine", 1, True, "4711_cine"),  # INPUT is the patient's folder
        ("in/DOE^JANE/Unknown Study/MR_1", 3, False, "DOE-JANE_MR_1"),
        ("in/DOE^JANE/Unknown Study", 0, False, "DOE-JANE"),
        ("in/DICOM/PA000001/ST000001/SE000002", 4, False, "PA000001_ST000001_SE000002"),
        ("in/Doe/20190203/cine", 3, False, "Doe_20190203"),
        ("in/Doe/2019-02-03", 1, False, "Doe_2019-02-03"),
        ("in/Doe/baseline/study", 3, False, "Doe_baseline"),
        ("in/patient001/patient001_4d", 2, True, "patient001_4d"),
        ("in/site A/patient 1/sax", 3, True, "site-A_patient-1_sax"),
        ("in/a1/1", 2, True, "a1_1"),
        ("in/17", 1, True, "17"),
        ("in/001_SA", 1, True, "001_SA"),
        ("in/cine", 1, True, "cine"),
        ("data/images/MR", 3, False, "MR"),
        ("", 0, False, "study"),
    ],
)
def test_layouts(path: str, n_below: int, is_file: bool, name: str) -> None:
    assert case_name([part for part in path.split("/") if part], n_below=n_below, is_file=is_file) == name


def test_many_files_of_one_name_and_others_added_later(tmp_path) -> None:
    def add(path: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(len(path)).normal(size=(4, 4, 3)).astype(np.float32)
        nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / path)

    add("7/cine.nii.gz")
    before = {case.path: case.name for case in find_cases(tmp_path)}
    for path in ("1/cine.nii.gz", "7/other.nii.gz", "7/deep/cine.nii.gz"):
        add(path)
    after = {case.path: case.name for case in find_cases(tmp_path)}
    assert before.items() <= after.items()
    assert sorted(after.values()) == ["1_cine", "7_cine", "7_deep_cine", "7_other"]
    several = [tmp_path / "1" / "cine.nii.gz", tmp_path / "7"]
    assert {case.name for case in find_cases(several)} == {"1_cine", "7_cine", "7_deep_cine", "7_other"}


def test_two_studies_in_one_folder_are_told_by_their_identity(study) -> None:
    study.cine(2, 3, StudyInstanceUID="1.2.9")
    (alone,) = find_cases(study.folder)
    study.cine(2, 4, StudyInstanceUID="1.2.10")
    names = {case.identity: case.name for case in find_cases(study.folder)}
    assert len(set(names.values())) == 2
    assert names[alone.identity] != alone.name
    assert without_digits(names[alone.identity], alone.identity) == alone.name
    study.cine(2, 5, StudyInstanceUID="1.2.11")
    assert names.items() <= {case.identity: case.name for case in find_cases(study.folder)}.items()


def test_one_image_twice_under_one_name_is_one_case(tmp_path, caplog) -> None:
    for name in ("heart.nii", "heart.nii.gz"):
        (tmp_path / name).write_bytes(b"the same")
    (case,) = find_cases(tmp_path)
    assert case.path.name == "heart.nii"
    assert "heart.nii.gz: it is of the same study as" in caplog.text


def test_a_study_twice_under_one_name_is_taken_where_it_is_whole(tmp_path, new_study) -> None:
    whole, part = new_study("other/Doe"), new_study("in/Doe")
    whole.cine(2, 3)
    part.cine(2, 2)
    shutil.make_archive(str(tmp_path / "in" / "Doe"), "zip", whole.folder)
    (case,) = find_cases(tmp_path / "in")
    assert (case.name, case.path, len(case.files)) == ("Doe", tmp_path / "in" / "Doe.zip", 6)


@pytest.mark.parametrize(
    ("hostile", "name"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("..", "study"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("=cmd|' /C calc'!A0", "cmd-C-calc-A0"),
        ("a\nb\r\tc\0d", "a-b-c-d"),
        (f"a{RIGHT_TO_LEFT}gpj.exe", "agpj.exe"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("quote\"'`$(x)", "quote-x"),
        ("NUL", "case_NUL"),
        ("com1.nii", "case_com1.nii"),
        ("ends. ", "ends"),
        ("Mu\u0308ller", "M\u00fcller"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("\udce9", "study"),
    ],
)
def test_hostile_names(hostile: str, name: str) -> None:
    assert safe_name(hostile) == name


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = safe_name("\u00e9" * 300 + "1"), safe_name("\u00e9" * 300 + "2")
    assert one != other
    assert len(one.encode()) <= 120


@given(st.text())
def test_a_safe_name_is_one_folder_s_and_stays_as_it_is(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name.encode()) <= 120
    assert name[0] not in ".-+=@"
    assert name[-1] != "."
    assert not set(name) & set("/\\:*?\"<>|' \n\0")
    assert all(unicodedata.category(letter)[0] in "LNM" or letter in "_.-+" for letter in name)
    assert safe_name(name) == name


def test_names_that_differ_in_capitals_alone_are_told_apart() -> None:
    one, other, third = distinct_names([("A", "study 1"), ("a", "study 2"), ("b", "study 3")])
    assert one.casefold() != other.casefold()
    assert third == "b"
    assert distinct_names([("a", "study 2"), ("A", "study 1")]) == [other, one]


@pytest.mark.parametrize("name", ["a\nb", "quote'\"$(x)", f"{RIGHT_TO_LEFT}gpj", "CON", "x" * 200, "-o", "=1+1", "a b"])
def test_files_called_so_become_a_folder_in_out_and_nowhere_else(tmp_path, name: str) -> None:
    image = nib.Nifti1Image(np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32), np.eye(4))
    (tmp_path / "in").mkdir()
    image.to_filename(str(tmp_path / "in" / f"{name}.nii"))
    (case,) = find_cases(tmp_path / "in")
    folder = claim_folder(tmp_path / "out", case)
    assert folder.parent == tmp_path / "out"
    assert folder.name == case.name == safe_name(name)


def test_a_name_of_120_bytes_stays_and_a_longer_one_is_cut_between_letters() -> None:
    assert safe_name("x" * 120) == "x" * 120
    assert safe_name("\u00e9" * 60) == "\u00e9" * 60  # of 2 bytes each
    cut = safe_name("x" * 121)
    assert re.fullmatch(r"x{113}-[0-9a-f]{6}", cut)
    assert re.fullmatch(r"\u00e9{56}-[0-9a-f]{6}", safe_name("\u00e9" * 61))  # 112 bytes: the 113th is half a letter
    assert re.fullmatch(r"\u5fc3{37}-[0-9a-f]{6}", safe_name("\u5fc3" * 41))


def test_a_cut_that_ends_in_a_dot_loses_it() -> None:
    assert re.fullmatch(r"x{110}-[0-9a-f]{6}", safe_name("x" * 110 + ".-." + "x" * 50))


def test_digits_are_of_the_whole_text_as_given() -> None:
    """What names look like once they are safe does not tell them apart."""
    long = "x" * 130
    one, other = safe_name(long + "/1"), safe_name(long + "?1")
    assert (one[:113], one != other) == (other[:113], True)
    assert safe_name("\udce9" + long)[-6:] != safe_name(long)[-6:]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a_b.c-d+e", "a_b.c-d+e"),
        ("+1", "1"),
        (".-+a", "a"),
        ("a+", "a+"),
        ("a.-", "a"),
        ("x\u00b2", "x\u00b2"),  # a number, if no digit
        ("e\u0301\u0301", "\u00e9\u0301"),  # a mark that nothing composes
        ("a\u00adb", "ab"),  # a soft hyphen is not seen
        ("a\ue000b", "ab"),  # of private use
        ("a\u2028b", "a-b"),
        ("a \t b", "a-b"),
        ("com\u00b9.x", "case_com\u00b9.x"),
        ("LPT9", "case_LPT9"),
        ("com10", "com10"),
        ("con_1", "con_1"),
        ("", "study"),
    ],
)
def test_what_stays_of_a_text(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_names_get_as_many_digits_as_tell_them_apart() -> None:
    one, other = "study 1399", "study 1442"  # whose digests begin alike, found by trying
    assert digits_of(one, 6) == digits_of(other, 6)
    names = distinct_names([("a", one), ("a", other), ("b", one)])
    assert names == [f"a-{digits_of(one, 16)}", f"a-{digits_of(other, 16)}", "b"]
    assert [without_digits(name, one) for name in names] == ["a", names[1], "b"]


def test_one_name_and_identity_twice_is_one_name() -> None:
    assert distinct_names([("a", "study 1"), ("a", "study 1")]) == ["a", "a"]


@pytest.mark.parametrize(
    ("path", "n_below", "is_file", "name"),
    [
        ("p/q/4711/DICOM/MR_1", 1, False, "4711_MR_1"),  # INPUT is DICOM, and the folder above it names the patient
        ("p/q/4711/x1/DICOM/MR_1", 1, False, "x1_MR_1"),
        ("4711/a1/DICOM/series/MR_1", 1, False, "MR_1"),  # further up are folders of projects
        ("in/ses-2", 1, False, "ses-2"),
        ("in/SES-2", 1, False, "SES-2"),
        ("in/Doe/2019_13_03", 2, False, "Doe_2019_13_03"),
        ("Doe/20191231", 1, False, "Doe_20191231"),
        ("Doe/2019.12.31", 1, False, "Doe_2019.12.31"),
        ("Doe/20191331", 1, False, "20191331"),  # a number, for there is no such day
        ("in/12_baseline", 1, False, "12_baseline"),
        ("Doe/cine_2d", 1, True, "Doe_cine_2d"),
        ("in/patient1/PATIENT1_sax", 2, True, "PATIENT1_sax"),
        ("in/patient1/patient10", 2, True, "patient1_patient10"),
    ],
)
def test_whose_name_a_path_tells(path: str, n_below: int, is_file: bool, name: str) -> None:
    assert case_name(path.split("/"), n_below=n_below, is_file=is_file) == name
