"""Patient and study elements: what a faulty header's values become, and what is said of it."""

from __future__ import annotations

import warnings

import pytest
from pydicom.dataset import Dataset

from pipeline.core.errors import ConfigError
from pipeline.core.quiet import quiet_dicom
from pipeline.write.dicom.subject import mend_subject

SOUND = {
    "PatientName": "Müller^Jürg",
    "PatientID": "4711",
    "PatientBirthDate": "19500131",
    "PatientSex": "F",
    "StudyDate": "20170102",
    "StudyTime": "083237.5",
    "StudyID": "1",
    "AccessionNumber": "A-1",
    "ReferringPhysicianName": "Doe^Jane",
    "PatientAge": "066Y",
    "PatientSize": "1.75",
    "PatientWeight": "72",
    "InstitutionName": "Hospital",
    "StudyDescription": "heart",
    "Manufacturer": "Maker",
}


def header(**changes: object) -> Dataset:
    made = Dataset()
    with quiet_dicom():
        for keyword, value in (SOUND | changes).items():
            if value is not None:
                setattr(made, keyword, value)
    return made


def mended(**changes: object) -> tuple[Dataset, list[str]]:
    with quiet_dicom():
        return mend_subject(header(**changes))


def test_a_sound_header_is_copied_whole() -> None:
    subject, faults = mended()
    assert faults == []
    assert {keyword: str(subject[keyword].value) for keyword in SOUND} == SOUND
    assert subject.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientBirthDate", "00000000"),
        ("StudyDate", "20120000"),
        ("StudyDate", "2012.01.31"),
        ("StudyTime", "999999"),
        ("StudyTime", "12:00:00"),
        ("PatientSex", "male"),
        ("StudyID", "longer than 16 characters"),
        ("AccessionNumber", "longer than 16 characters"),
        ("PatientName", "A^B^C^D^E^F"),
    ],
)
def test_what_cannot_be_mended_is_empty_and_told_without_its_value(keyword: str, value: str) -> None:
    subject, faults = mended(**{keyword: value})
    assert subject[keyword].value in ("", None)
    assert faults == [f"{keyword} is not valid: left empty"]


@pytest.mark.parametrize("keyword", ["PatientName", "PatientID", "PatientSex", "StudyID", "ReferringPhysicianName"])
def test_a_missing_element_of_type_2_is_empty_and_told(keyword: str) -> None:
    subject, faults = mended(**{keyword: None})
    assert subject[keyword].value in ("", None)
    assert faults == [f"{keyword} is missing: left empty"]


@pytest.mark.parametrize(("keyword", "value"), [("PatientAge", "47"), ("PatientAge", None), ("PatientWeight", "")])
def test_a_faulty_optional_element_is_left_out(keyword: str, value: str | None) -> None:
    subject, faults = mended(**{keyword: value})
    assert keyword not in subject
    assert faults == ([f"{keyword} is not valid: left empty"] if value else [])


def test_forbidden_characters_become_spaces() -> None:
    subject, faults = mended(StudyDescription="line\nbreak\x07")
    assert subject.StudyDescription == "line break"
    assert faults == ["StudyDescription held characters that DICOM forbids: replaced by spaces"]


@pytest.mark.parametrize("value", ["X" * 80, "A\x07B", ["A", "B"]])
def test_the_patients_id_is_kept_as_it_is(value: object) -> None:
    subject, faults = mended(PatientID=value)
    assert subject.PatientID == value
    assert faults == ["PatientID is not valid: kept, so that the objects stay with their patient"]


def test_a_pseudonym_leaves_nothing_of_the_patient() -> None:
    with quiet_dicom():
        subject, faults = mend_subject(header(), pseudonym="P-1")
    filled = {element.keyword: str(element.value) for element in subject if element.value}
    assert filled == {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "P-1",
        "PatientID": "P-1",
        "Manufacturer": "Maker",
    }
    assert faults == []


@pytest.mark.parametrize("pseudonym", ["", "  ", "a\\b", "a\nb", "x" * 65])
def test_a_pseudonym_that_dicom_cannot_hold_is_refused(pseudonym: str) -> None:
    with pytest.raises(ConfigError, match="1 to 64 characters"):
        mend_subject(header(), pseudonym=pseudonym)


def test_mending_is_quiet_within_the_library() -> None:
    faulty = header(StudyDate="20120000", PatientSex="male")
    with quiet_dicom(), warnings.catch_warnings(record=True) as caught:
        mend_subject(faulty)
    assert caught == []
