"""What can be processed at a path."""

import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.dicom.series import read_dicom_cine
from pipeline.read.discover import find_cases


def _touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_nested_mixture_of_studies_nifti_and_other_files(tmp_path, new_study):
    one = new_study("b/one")
    one.image(0, 0, name="deep/IM1")
    one.image(0, 1, name="deeper/still/IM2")
    new_study("a/two").image(0, 0, StudyInstanceUID="1.2.4")
    scan = _touch(tmp_path / "a" / "scan.v2.nii.gz")
    _touch(tmp_path / "a" / "notes.txt")
    _touch(tmp_path / ".hidden" / "scan.nii")
    cases = find_cases(tmp_path)
    assert [(case.name, case.kind) for case in cases] == [("scan.v2", "nifti"), ("two", "dicom"), ("one", "dicom")]
    assert cases[0].files == (scan,)
    assert cases[2].path == tmp_path / "b" / "one"
    assert cases[2].files == tuple(sorted(one.written))


def test_single_files(tmp_path, study):
    path = study.image(0, 0)
    (case,) = find_cases(path)
    assert (case.name, case.kind, case.path, case.files) == ("study", "dicom", path, (path,))
    (case,) = find_cases(str(_touch(tmp_path / "x.NII")))
    assert (case.name, case.kind) == ("x", "nifti")


def test_two_studies_in_one_folder_get_a_suffix_and_their_own_files(study):
    study.cine(2, 3, StudyInstanceUID="1.2.9")
    study.cine(2, 4, StudyInstanceUID="1.2.10")
    cases = find_cases(study.folder)
    assert [case.name for case in cases] == ["study_1", "study_2"]
    assert {read_dicom_cine(case.files).n_slices for case in cases} == {3, 4}
    assert find_cases(study.folder) == cases


def test_same_names_are_told_apart(tmp_path):
    for name in ("a/x.nii", "a/x.nii.gz", "b/x.nii", "b/x_1.nii"):
        _touch(tmp_path / name)
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == ["x_2", "x_3", "x_4", "x_1"]


def test_damaged_file_stays_with_the_study_beside_it(tmp_path, new_study):
    good, bad = new_study("good"), new_study("bad")
    good.cine(2, 3)
    bad.cine(2, 3, StudyInstanceUID="1.2.4")
    damaged = bad.written[3]
    damaged.write_bytes(damaged.read_bytes()[:200])
    cases = {case.name: case for case in find_cases(tmp_path)}
    assert set(cases) == {"good", "bad"}
    assert damaged in cases["bad"].files
    assert read_dicom_cine(cases["good"].files).n_slices == 3
    with pytest.raises(UnreadableError) as caught:
        read_dicom_cine(cases["bad"].files)
    assert caught.value.path == damaged


def test_damaged_file_alone_is_a_case_that_fails_when_read(tmp_path, new_study):
    new_study("good").cine(2, 3)
    damaged = _touch(tmp_path / "broken" / "1.dcm")
    case = next(case for case in find_cases(tmp_path) if case.name == "broken")
    with pytest.raises(UnreadableError) as caught:
        read_dicom_cine(case.files)
    assert caught.value.path == damaged


def test_patients_of_one_study_uid_are_cases_of_their_own(tmp_path, study):
    for patient in ("A", "B"):
        study.cine(2, 3, PatientID=patient)
    study.cine(2, 4, PatientID=None)
    study.image(0, 0, PatientID="C", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == ["study_1", "study_2", "study_3"]
    assert sorted(len(case.files) for case in cases) == [6, 6, 8]
    assert len({case.identity for case in cases}) == 3
    assert [case.identity for case in find_cases(study.written[:6])] == [cases[0].identity]


def test_files_that_name_nobody_are_of_the_only_patient(study):
    study.cine(2, 2, PatientID="A")
    study.cine(2, 1, PatientID="")
    study.image(0, 0, PatientID="C", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")  # not an image, and of no account
    (case,) = find_cases(study.folder)
    assert case.files == tuple(sorted(study.written[:6]))


def test_a_study_is_the_same_wherever_it_lies_and_no_other_is(tmp_path, new_study):
    for name, uid in (("a/study", "1.2.9"), ("b/study", "1.2.9"), ("c/study", "1.2.10")):
        new_study(name).cine(2, 3, StudyInstanceUID=uid)
    one, copy, other = (find_cases(tmp_path / place)[0] for place in "abc")
    assert one.identity == copy.identity != other.identity
    assert one.name == other.name


def test_images_without_a_study_uid_are_told_by_their_content(tmp_path, new_study):
    for place, patient in (("a", "A"), ("b", "B"), ("c", "A")):
        new_study(f"{place}/study").cine(2, 3, StudyInstanceUID=None, PatientID=patient)
    one, other, copy = (find_cases(tmp_path / place)[0] for place in "abc")
    assert read_dicom_cine(one.files).n_slices == 3  # such a study gets results
    assert one.identity == copy.identity != other.identity


def test_nifti_files_are_told_by_their_content(tmp_path):
    for name, content in (("a/x.nii", b"1"), ("b/x.nii", b"2"), ("y.nii", b"1")):
        _touch(tmp_path / name).write_bytes(content)
    one, other, copy = find_cases(tmp_path)
    assert one.identity == copy.identity != other.identity


def test_study_without_images_is_no_case(tmp_path, study):
    study.image(0, 0, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    with pytest.raises(UnreadableError, match=r"none in 1 file\(s\)") as caught:
        find_cases(tmp_path)
    assert caught.value.path == tmp_path


def test_nothing_there(tmp_path):
    with pytest.raises(UnreadableError, match="must be found"):
        find_cases(tmp_path)
    with pytest.raises(UnreadableError, match="must exist"):
        find_cases(tmp_path / "nowhere")


def test_sunnybrook(cmr_data):
    cases = find_cases(cmr_data / "sunnybrook")
    assert [(case.name, len(case.files)) for case in cases] == [("SCD0000101", 240), ("SCD0000201", 260)]
