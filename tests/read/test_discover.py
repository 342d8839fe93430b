"""What can be processed at a path."""

import gc
import tarfile
import tempfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from pipeline.core.errors import UnreadableError
from pipeline.read.cine import read_cine
from pipeline.read.dicom.series import read_dicom_cine
from pipeline.read.discover import find_cases
from pipeline.read.sameness import identity_of_content
from pipeline.read.unpack import Allowance


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
    assert [(case.name, case.kind) for case in cases] == [
        ("a_scan.v2", "nifti"),
        ("a_two", "dicom"),
        ("b_one", "dicom"),
    ]
    assert cases[0].files == (scan,)
    assert cases[2].path == tmp_path / "b" / "one"
    assert cases[2].files == tuple(sorted(one.written))


def test_single_files(tmp_path, study):
    path = study.image(0, 0)
    (case,) = find_cases(path)
    assert (case.kind, case.path, case.files) == ("dicom", path, (path,))
    (case,) = find_cases(str(_touch(tmp_path / "x.NII")))
    assert (case.name, case.kind) == ("x", "nifti")


def test_two_studies_in_one_folder_have_their_own_files(study):
    study.cine(2, 3, StudyInstanceUID="1.2.9")
    study.cine(2, 4, StudyInstanceUID="1.2.10")
    cases = find_cases(study.folder)
    assert {read_dicom_cine(case.files).n_slices for case in cases} == {3, 4}
    assert find_cases(study.folder) == cases


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


def test_an_image_without_its_class_is_a_case_that_fails_when_read(study):
    study.image(0, 0, SOPClassUID=None)
    path = study.written[0]
    made = pydicom.dcmread(path)
    del made.file_meta.MediaStorageSOPClassUID
    made.save_as(path)
    (case,) = find_cases(study.folder)
    with pytest.raises(UnreadableError, match="must state its SOPClassUID"):
        read_cine(case.files)


def test_patients_of_one_study_uid_are_cases_of_their_own(tmp_path, study):
    for patient in ("A", "B"):
        study.cine(2, 3, PatientID=patient)
    study.cine(2, 4, PatientID=None)
    study.image(0, 0, PatientID="C", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    cases = find_cases(tmp_path)
    assert len({case.name for case in cases}) == 3
    assert sorted(len(case.files) for case in cases) == [6, 6, 8]
    assert len({case.identity for case in cases}) == 3
    assert [case.identity for case in find_cases(study.written[:6])] == [cases[0].identity]


def test_files_that_name_nobody_are_of_the_only_patient(study):
    study.cine(2, 2, PatientID="A")
    study.cine(2, 1, PatientID="")
    study.image(0, 0, PatientID="C", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")  # not an image, and of no account
    (case,) = find_cases(study.folder)
    assert case.files == tuple(sorted(study.written[:6]))


def test_a_file_of_no_known_kind_stays_with_the_study(study):
    study.cine(PatientID="one")
    study.image(0, 9, SOPClassUID="1.2.3.4", PatientID="other")
    (case,) = find_cases(study.folder)
    assert sorted(case.files) == sorted(study.written)
    assert (
        "left out 1 file(s) that are no greyscale MR image: an unknown kind of object (1)"
        in read_cine(case.files).notes
    )


def test_files_that_say_neither_what_nor_whose_they_are_stay_with_the_study_beside_them(study):
    study.cine(2, 4, StudyInstanceUID=lambda z: "1.2.3" if z < 3 else None, SOPClassUID=lambda z: CLASSES[z])
    (case,) = find_cases(study.folder)
    assert case.files == tuple(sorted(study.written))
    assert any("an unknown kind of object (2)" in note for note in read_cine(case.files).notes)


CLASSES = [*3 * ["1.2.840.10008.5.1.4.1.1.4"], "1.2.3.4"]
"""Of three slices, and a damaged one."""


def test_a_study_is_the_same_wherever_it_lies_and_no_other_is(tmp_path, new_study):
    for name, uid in (("a/study", "1.2.9"), ("b/study", "1.2.9"), ("c/study", "1.2.10")):
        new_study(name).cine(2, 3, StudyInstanceUID=uid)
    one, copy, other = (find_cases(tmp_path / place)[0] for place in "abc")
    assert one.identity == copy.identity != other.identity


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


def _zipped(path, folder):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted(folder.rglob("*")):
            file.write(member, member.relative_to(folder))
    return path


def _tarred(path, folder):
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, arcname=".")
    return path


@pytest.fixture
def packed(tmp_path, new_study):
    """A folder `in` with roe.zip (a study at its root), doe.tar.gz (deep/study, scan.nii.gz), and 1.nii."""
    new_study("one").cine(2, 3)
    new_study("two/deep/study").cine(2, 4, StudyInstanceUID="1.2.4")
    _touch(tmp_path / "two" / "scan.nii.gz")
    _touch(tmp_path / "in" / "1.nii")
    _zipped(tmp_path / "in" / "roe.zip", tmp_path / "one")
    _tarred(tmp_path / "in" / "doe.tar.gz", tmp_path / "two")
    return tmp_path / "in"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_archives_among_files_are_looked_into(packed, temporary):
    cases = find_cases(packed)
    assert [(case.name, case.kind, str(case.path.relative_to(packed))) for case in cases] == [
        ("1", "nifti", "1.nii"),
        ("doe_deep", "dicom", "doe.tar.gz/deep/study"),
        ("doe_scan", "nifti", "doe.tar.gz/scan.nii.gz"),
        ("roe", "dicom", "roe.zip"),
    ]
    assert [len(case.files) for case in cases] == [1, 8, 1, 6]
    assert all(str(file).startswith(str(case.path)) for case in cases for file in case.files)
    assert not any(temporary.iterdir())


def test_a_case_in_an_archive_is_read_by_its_files_or_its_path(packed, temporary):
    for case in find_cases(packed / "doe.tar.gz")[:1] + find_cases(packed / "roe.zip"):
        by_files, by_path = read_cine(case.files), read_cine(case.path)
        assert by_files.n_slices == by_path.n_slices == {"roe": 3, "deep": 4}[case.name]
        assert Path(by_files.sources[0][0].path).is_file()  # for DICOM objects made of it
    del by_files, by_path
    gc.collect()
    assert not any(temporary.iterdir())


def test_archives_and_folders_of_one_study_have_one_identity(packed, tmp_path):
    assert find_cases(packed / "roe.zip")[0].identity == find_cases(tmp_path / "one")[0].identity
    (scan,) = (case for case in find_cases(packed) if case.name == "doe_scan")
    assert scan.identity == find_cases(tmp_path / "two" / "scan.nii.gz")[0].identity


def test_a_path_into_an_archive_finds_what_is_there(packed):
    (whole,) = find_cases(packed / "roe.zip")
    (case,) = find_cases(packed / "doe.tar.gz" / "deep")
    assert (case.name, case.path) == ("deep", packed / "doe.tar.gz" / "deep" / "study")
    assert find_cases(whole.files) == [whole]
    with pytest.raises(UnreadableError, match="in an archive, but there is none"):
        find_cases(packed / "roe.zip" / "nowhere")


def test_archives_in_archives(packed, tmp_path):
    outer = _zipped(tmp_path / "all.zip", packed)
    cases = {case.name: case for case in find_cases(outer)}
    assert set(cases) == {"1", "roe", "doe_deep", "doe_scan"}
    assert cases["doe_deep"].path == outer / "doe.tar.gz" / "deep" / "study"
    assert read_cine(cases["doe_deep"].files).n_slices == 4


def test_archives_are_not_opened_without_end(packed, tmp_path, temporary, caplog):
    path = packed / "roe.zip"
    for level in range(4):
        deeper = tmp_path / f"{level}.zip"
        with zipfile.ZipFile(deeper, "w") as file:
            file.write(path, path.name)
        path = deeper
    with pytest.raises(UnreadableError, match="must be found"):
        find_cases(path)
    assert "archives within archives are opened 3 deep" in caplog.text
    assert len(find_cases(tmp_path / "1.zip")) == 1
    assert not any(temporary.iterdir())


def test_one_allowance_serves_an_archive_and_those_in_it(packed, tmp_path, monkeypatch, temporary):
    inner = _zipped(tmp_path / "inner.zip", packed)
    for copy in range(3):
        (tmp_path / "many").mkdir(exist_ok=True)
        (tmp_path / "many" / f"{copy}.zip").write_bytes(inner.read_bytes())
    outer = _zipped(tmp_path / "outer.zip", tmp_path / "many")
    enough = 4 * inner.stat().st_size
    monkeypatch.setattr(Allowance, "for_archive", lambda _: Allowance(enough))
    assert {case.kind for case in find_cases(outer)} > {"archive"}  # one more study than there was room for
    assert not any(temporary.iterdir())


def test_an_archive_that_does_not_unpack_is_a_case_that_fails_when_read(packed):
    damaged = packed / "roe.zip"
    damaged.write_bytes(damaged.read_bytes()[:3000])
    case = next(case for case in find_cases(packed) if case.kind == "archive")
    assert (case.name, case.path) == ("roe", damaged)
    with pytest.raises(UnreadableError, match=r"must be whole.*\[.*roe\.zip\]"):
        read_cine(case.files)


def test_what_lies_unpacked_beside_its_archive_is_found_once(packed, tmp_path, new_study):
    (tmp_path / "one").rename(packed / "spare")
    assert [case.name for case in find_cases(packed)] == ["1", "doe_deep", "doe_scan", "spare"]
    next((packed / "spare").iterdir()).unlink()  # no longer the same
    assert [case.name for case in find_cases(packed)][-2:] == ["roe", "spare"]


def test_a_file_named_twice_is_found_once(tmp_path):
    scan = _touch(tmp_path / "scan.nii")
    (tmp_path / "link.nii").symlink_to(scan)
    assert len(find_cases([scan, tmp_path, tmp_path / "link.nii"])) == 1


def test_archives_of_other_things_are_passed_over(packed, tmp_path):
    with zipfile.ZipFile(packed / "letter.docx", "w") as file:
        file.writestr("word/document.xml", "<w/>")
    assert "letter" not in {case.name for case in find_cases(packed)}
    with pytest.raises(UnreadableError, match=r"must be found, got none in 2 file\(s\); formats read are DICOM; NIfTI"):
        find_cases(packed / "letter.docx")


def test_dicomdir_stands_for_its_folder_and_is_no_image(study):
    study.cine(2, 3)
    index = study.folder / "DICOMDIR"
    index.write_bytes(b"\0" * 128 + b"DICM cut short")
    (case,) = find_cases(study.folder)
    assert case.files == tuple(sorted(study.written))
    assert find_cases(index) == [case]
    assert read_cine(index).n_slices == 3
    other = study.image(0, 9, name="INDEX.DCM", SOPClassUID="1.2.840.10008.1.3.10", StudyInstanceUID=None)
    assert find_cases(other) == [case]


def test_links_are_followed_and_a_study_is_found_once(tmp_path, new_study):
    new_study("store/study").cine(2, 3)
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(tmp_path / "store")
    (root / "b").symlink_to(tmp_path / "store" / "study")
    (root / "loop").symlink_to(root)
    (case,) = find_cases(root)
    assert len(case.files) == 6


def test_image_files_of_every_format(tmp_path):
    nib.save(nib.Nifti1Pair(np.zeros((2, 2, 3), np.uint8), np.eye(4)), tmp_path / "pair.img")
    image = sitk.GetImageFromArray(np.zeros((3, 2, 2), np.uint8))
    for name in ("a.mha", "b.mhd", "c.nrrd", "d.nhdr"):
        sitk.WriteImage(image, str(tmp_path / name))
    cases = find_cases(tmp_path)
    assert [(case.name, case.kind, len(case.files)) for case in cases] == [
        ("a", "itk", 1),
        ("b", "itk", 2),
        ("c", "itk", 1),
        ("d", "itk", 2),
        ("pair", "nifti", 2),
    ]
    for case in cases:
        assert read_cine(case.files).array.shape == (1, 2, 2, 3)
        assert find_cases(case.path) == [case]
    before = cases[1].identity
    (tmp_path / "b.raw").write_bytes(b"other voxels")  # a header alone does not tell images apart
    assert find_cases(tmp_path / "b.mhd")[0].identity != before


def test_dicom_files_named_img_are_dicom(study):
    study.image(0, 0, name="1.img")
    (study.folder / "1.hdr").write_text("of another program")
    (case,) = find_cases(study.folder)
    assert case.kind == "dicom"


def test_what_is_passed_over_is_told_in_full(packed, tmp_path, caplog):
    deep = packed / "roe.zip"
    for level in range(4):
        outer = tmp_path / f"{level}.zip"
        with zipfile.ZipFile(outer, "w") as file:
            file.write(deep, deep.name)
        deep = outer
    with caplog.at_level("INFO", logger="pipeline.read.discover"), pytest.raises(UnreadableError) as caught:
        find_cases(deep)
    assert caplog.messages == ["passed over 0.zip: archives within archives are opened 3 deep"]
    formats = (
        "DICOM; NIfTI (.nii, .nii.gz, .img with .hdr); MetaImage (.mha, .mhd); NRRD (.nrrd, .nhdr); zip and tar "
        "archives of these"
    )
    told = f"an image must be found, got none in 4 file(s); formats read are {formats}"
    assert (str(caught.value), caught.value.path) == (f"{told} [{deep}]", deep)
    caplog.clear()
    (tmp_path / "one").rename(packed / "spare")
    with caplog.at_level("INFO", logger="pipeline.read.discover"):
        find_cases(packed)
    assert caplog.messages == [f"passed over {packed / 'roe.zip'}: the same lies beside its archive"]


def test_a_damaged_archive_is_told_as_it_is_found(packed, caplog):
    damaged = packed / "roe.zip"
    damaged.write_bytes(damaged.read_bytes()[:3000])
    (case,) = find_cases(damaged)
    assert (case.name, case.kind, case.path, case.files) == ("roe", "archive", damaged, (damaged,))
    assert case.identity == identity_of_content([damaged])
    (told,) = caplog.messages
    assert told.startswith("an archive must be whole, with no password, got one that is not: ")
    assert told.endswith(f" [{damaged}]")


def test_a_damaged_archive_in_an_archive_is_named_through_it(packed, tmp_path):
    damaged = packed / "roe.zip"
    damaged.write_bytes(damaged.read_bytes()[:3000])
    outer = _zipped(tmp_path / "all.zip", packed)
    case = next(case for case in find_cases(outer) if case.kind == "archive")
    assert (case.name, case.path, case.files) == ("roe", outer / "roe.zip", (outer / "roe.zip",))


def test_two_damaged_archives_of_one_content_are_two_cases(tmp_path, packed):
    """What cannot be looked into is no copy of anything."""
    damaged = (packed / "roe.zip").read_bytes()[:3000]
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "x.zip").write_bytes(damaged)
    assert [case.name for case in find_cases(tmp_path / "set")] == ["a_x", "b_x"]


@pytest.mark.parametrize(("first", "second", "kept"), [(b"same", b"same", "x.mha"), (b"same", b"other", None)])
def test_files_of_one_name_and_content_are_one_case(tmp_path, caplog, first, second, kept):
    (tmp_path / "x.mha").write_bytes(first)
    (tmp_path / "x.nii").write_bytes(second)
    cases = find_cases(tmp_path)
    if kept is None:
        assert len({case.name for case in cases}) == len(cases) == 2
        return
    assert [(case.name, case.path) for case in cases] == [("x", tmp_path / kept)]
    assert caplog.messages == [
        f"passed over {tmp_path / 'x.nii'}: it is of the same study as {tmp_path / 'x.mha'}, and called alike"
    ]


def test_label_maps_that_are_passed_over_are_named(tmp_path, caplog):
    labels = (np.indices((12, 10, 4)).sum(axis=0) % 4).astype(np.uint8)
    for name in ("b", "a"):
        nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / f"{name}_gt.nii")
    _touch(tmp_path / "heart.nii")
    assert [case.name for case in find_cases(tmp_path)] == ["heart"]
    (told,) = caplog.messages
    assert told.startswith("passed over 2 label map(s), which are no images: ")
    assert told.index("a_gt.nii") < told.index("b_gt.nii")


def test_cases_are_in_the_order_of_their_paths_and_named_from_the_outermost(tmp_path):
    for name in ("b/x.nii", "a/x.nii", "a/c/x.nii"):
        _touch(tmp_path / name).write_bytes(name.encode())
    assert [(case.name, case.path) for case in find_cases(tmp_path)] == [
        ("a_c_x", tmp_path / "a" / "c" / "x.nii"),
        ("a_x", tmp_path / "a" / "x.nii"),
        ("b_x", tmp_path / "b" / "x.nii"),
    ]
    assert [case.name for case in find_cases([tmp_path / "a" / "c", tmp_path / "a"])] == ["a_c_x", "a_x"]


def test_a_case_has_no_subject_until_somebody_states_one(study):
    path = study.image(0, 0)
    (case,) = find_cases(path)
    assert case.subject is None
    study.image(0, 1)
    (case,) = find_cases(study.written)  # each named by itself: the study is their folder
    assert (case.path, case.files) == (study.folder, tuple(sorted(study.written)))
