"""Which DICOM files are of one study: patients of one UID, files that name nobody, damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.read.sameness import identity_of_content, identity_of_study
from pipeline.read.studies import Study, find_studies, is_dicomdir

REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
UNKNOWN = "1.2.3.4"


def test_a_study_has_its_files_sorted_and_the_folder_of_its_images(study) -> None:
    images = [study.image(0, 0, name="b/2", PatientID="A"), study.image(0, 1, name="c/1", PatientID="A")]
    report = study.image(0, 2, name="a/r", PatientID="A", SOPClassUID=REPORT)
    files = (report, *images)
    assert find_studies(reversed(files)) == [Study(files, identity_of_study("1.2.3", patient="A"), study.folder)]
    assert find_studies(files[:2]) == [
        Study(files[:2], identity_of_study("1.2.3", patient="A"), study.folder / "b"),
    ]
    assert find_studies([report]) == []


def test_studies_are_in_the_order_of_their_uids_and_patients(study) -> None:
    for uid, patient in (("1.2.9", "A"), ("1.2.3", "B"), ("1.2.3", "A"), ("1.2.3", "")):
        study.image(0, 0, StudyInstanceUID=uid, PatientID=patient)
    found = find_studies(study.written)
    assert [one.identity for one in found] == [
        "study 1.2.3",
        identity_of_study("1.2.3", patient="A"),
        identity_of_study("1.2.3", patient="B"),
        identity_of_study("1.2.9", patient="A"),
    ]
    assert [one.files for one in found] == [(study.written[place],) for place in (3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("others", "n_files"),
    [
        ([{"PatientID": ""}], 2),  # an image that names nobody
        ([{"PatientID": "", "SOPClassUID": REPORT}], 2),
        ([{"PatientID": "B", "SOPClassUID": REPORT}], 1),
        ([{"PatientID": "B", "SOPClassUID": UNKNOWN}], 2),  # it may be an image, its header damaged
        ([{"PatientID": "A", "SOPClassUID": UNKNOWN}], 2),
    ],
)
def test_what_else_is_the_only_patient_s(study, others: list[dict[str, str]], n_files: int) -> None:
    study.image(0, 0, PatientID="A")
    for elements in others:
        study.image(0, 1, **elements)
    (found,) = find_studies(study.written)
    assert (found.identity, len(found.files)) == (identity_of_study("1.2.3", patient="A"), n_files)


def test_of_two_patients_nobody_gets_what_is_unknown(study) -> None:
    for patient in "AB":
        study.image(0, 0, PatientID=patient)
    study.image(0, 1, PatientID="C", SOPClassUID=UNKNOWN)
    study.image(0, 1, PatientID="", SOPClassUID=UNKNOWN)
    assert [one.files for one in find_studies(study.written)] == [(path,) for path in study.written[:2]]


def _damaged(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * 128 + b"DICM\xff\xff")
    return path


def test_a_damaged_file_is_of_every_study_in_its_folder_or_of_its_own(study, caplog) -> None:
    for uid in ("1.2.3", "1.2.4"):
        study.image(0, 0, StudyInstanceUID=uid, PatientID="A")
    bad, *alone = (_damaged(study.folder / name) for name in ("0.dcm", "deep/2", "deep/1"))
    first, second, third = find_studies([*study.written, bad, *alone])
    assert first.files == tuple(sorted((bad, study.written[0])))
    assert second.files == tuple(sorted((bad, study.written[1])))
    assert third == Study(tuple(sorted(alone)), identity_of_content(alone), study.folder / "deep")
    assert len(caplog.messages) == 3
    assert caplog.messages[0].endswith(f" [{bad}]")


def test_an_image_without_its_study_is_told(study, caplog) -> None:
    path = study.image(0, 0, StudyInstanceUID=None)
    assert find_studies([path]) == [Study((path,), identity_of_content([path]), study.folder)]
    assert caplog.messages == [f"a DICOM file must state its study, got none: is it cut short? [{path}]"]
    report = study.image(0, 0, StudyInstanceUID=None, SOPClassUID=REPORT)
    assert find_studies([report]) == []
    unknown = study.image(0, 0, StudyInstanceUID=None, SOPClassUID=UNKNOWN)
    assert [one.files for one in find_studies([unknown])] == [(unknown,)]


@pytest.mark.parametrize(
    ("name", "sop_class", "is_index"),
    [
        ("dicomdir", "1.2.840.10008.5.1.4.1.1.4", True),  # by its name
        ("INDEX.DCM", "1.2.840.10008.1.3.10", True),  # by what it says
        ("1.dcm", "1.2.840.10008.5.1.4.1.1.4", False),
    ],
)
def test_the_index_of_a_medium(study, name: str, sop_class: str, is_index: bool) -> None:
    assert is_dicomdir(study.image(0, 0, name=name, SOPClassUID=sop_class)) is is_index


def test_what_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").mkdir()
    (tmp_path / "a.txt").write_text("no DICOM")
    for path in (tmp_path / "DICOMDIR", tmp_path / "a.txt", tmp_path / "gone", _damaged(tmp_path / "b")):
        assert not is_dicomdir(path)
