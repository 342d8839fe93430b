from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from pipeline.core.digests import labels_digest, voxels_digest
from pipeline.core.errors import DatasetError
from pipeline.core.labels import UNLABELLED
from pipeline.core.review import Review, Status
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dataset import write_nifti
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine
from pipeline.read.datalists.reviewed import accepted_cases, looks_like_results
from pipeline.read.datasets import checked_datalist, load_datalist
from pipeline.read.gate import check_cases
from pipeline.read.transforms import CineLoadImaged, LoadLabeld
from pipeline.write.nifti import write_label_map


@pytest.fixture(scope="module")
def study() -> PhantomStudy:
    return make_cine(make_patient(3), n_phases=5, n_slices=5, size=48, pixel_mm=4.3, step_mm=16.0)


def write_result(
    out: Path, name: str, image: Path, study: PhantomStudy, *, status: Status = "accepted", pseudonym: str | None = None
) -> Path:
    """The files of a result that the data list reads."""
    folder, labels = out / name, study.label.array
    cine = read_cine(image)
    write_label_map(folder / "segmentation.nii.gz", labels, affine=cine.grid.affine, times_ms=cine.times_ms)
    checked = (0, 2) if status == "accepted" else ()
    review = Review(status, "AB", "2026-11-27T10:36:36Z", "", (4,), checked, labels_digest(labels))
    source = {"path": str(image), "voxels_sha256": voxels_digest(cine.array)}
    record = {"source": source, "pseudonym": pseudonym, "review": review.to_json()}
    (folder / "measurements.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def images(study: PhantomStudy, tmp_path: Path) -> Path:
    write_study(study, tmp_path / "images" / "dicom", extras=False)
    write_nifti(tmp_path / "images" / "cine.nii.gz", study.image)
    return tmp_path / "images"


def test_accepted_cases_are_labels_where_a_reader_vouches_for_them(
    study: PhantomStudy, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write_result(out, "one", images / "cine.nii.gz", study)
    write_result(out, "two", images / "dicom", study, status="corrected")
    write_result(out, "three", images / "dicom", study, status="rejected")
    (out / "claimed").mkdir()
    (out / "claimed" / "measurements.json").write_text('{"source": {"identity": "study 1.2"}}')
    (case,) = checked_datalist(out)
    assert (case["patient"], case["drawn_phases"], case["undrawn_slices"]) == ("one", [0, 2], [4])
    item = LoadLabeld("label")(CineLoadImaged("image")(case))
    loaded = item["label"].numpy()
    assert (loaded[[1, 3, 4]] == UNLABELLED).all()
    assert (loaded[..., 4] == UNLABELLED).all()
    np.testing.assert_array_equal(loaded[[0, 2]][..., :4], study.label.array[[0, 2]][..., :4])


def test_studies_of_one_patient_stay_together(study: PhantomStudy, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    second = images / "follow-up"
    write_study(study, second, extras=False)
    for path in second.iterdir():
        header = pydicom.dcmread(path)
        header.StudyInstanceUID = "1.2.3.4"
        header.save_as(path)
    for name, image in (("a", "dicom"), ("b", "follow-up")):
        write_result(out, name, images / image, study)
    for name in ("sub-07_ses-1", "sub-07_ses-2", "sub-08_ses-1"):
        write_result(out, name, images / "cine.nii.gz", study)
    for name in ("P-1-aa", "P-1-bb"):
        write_result(out, name, images / "dicom", study, pseudonym="P-1")
    patients = {Path(case["label"]).parent.name: case["patient"] for case in load_datalist(out)}
    assert patients == {
        **{"a": "a", "b": "a"},
        **{"sub-07_ses-1": "sub-07_ses-1", "sub-07_ses-2": "sub-07_ses-1", "sub-08_ses-1": "sub-08_ses-1"},
        **{"P-1-aa": "P-1-aa", "P-1-bb": "P-1-aa"},
    }
    patient_id = pydicom.dcmread(next(second.iterdir())).PatientID
    assert patient_id not in str(load_datalist(out))


def test_what_has_changed_since_is_a_fault(study: PhantomStudy, images: Path, tmp_path: Path) -> None:
    folder = write_result(tmp_path / "out", "one", images / "cine.nii.gz", study)
    write_nifti(images / "cine.nii.gz", make_cine(make_patient(4), n_phases=5, n_slices=5, size=48).image)
    changed = study.label.array.copy()
    changed[0, 0, 0, 0] = 1
    write_label_map(folder / "segmentation.nii.gz", changed, affine=study.image.grid.affine)
    (checked,) = check_cases(load_datalist(tmp_path / "out"))
    said = " ".join(fault.text for fault in checked.faults)
    assert "the very one that was segmented" in said
    assert "changed since it was accepted" in said


def test_slices_that_nobody_has_drawn_stand_in_any_list(study: PhantomStudy, images: Path, tmp_path: Path) -> None:
    folder = write_result(tmp_path / "out", "one", images / "cine.nii.gz", study)
    header, row = (
        "image,label,patient,scheme,undrawn_slices",
        f"{images / 'cine.nii.gz'},{folder / 'segmentation.nii.gz'},p,cmr",
    )
    table = tmp_path / "datalist.csv"
    table.write_text(f"{header}\n{row},0 4\n")
    (case,) = load_datalist(table)
    loaded = LoadLabeld("label")(CineLoadImaged("image")(case))["label"].numpy()
    assert [bool((loaded[..., z] == UNLABELLED).all()) for z in range(5)] == [True, False, False, False, True]
    table.write_text(f"{header}\n{row},5\n")
    (checked,) = check_cases(load_datalist(table))
    assert "`undrawn_slices` must be from 0 to 4" in checked.faults[0].text
    table.write_text(f"{header}\n{row},x\n")
    with pytest.raises(DatasetError, match="`undrawn_slices`"):
        load_datalist(table)


def test_nothing_accepted_or_no_place_of_the_images_is_told(study: PhantomStudy, images: Path, tmp_path: Path) -> None:
    folder = write_result(tmp_path / "out", "one", images / "cine.nii.gz", study, status="rejected")
    with pytest.raises(DatasetError, match="at least one labelled case"):
        load_datalist(tmp_path / "out")
    folder = write_result(tmp_path / "out", "one", images / "cine.nii.gz", study)
    record = json.loads((folder / "measurements.json").read_text())
    record["source"]["path"] = None
    (folder / "measurements.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="where its images lie"):
        load_datalist(tmp_path / "out")


def bare_result(out: Path, name: str, image: str | None, *, status: Status = "accepted", **record: str) -> Path:
    """The record of a result, whose files nobody looks at to list it."""
    review = Review(status, "AB", "2026-11-27T10:36:36Z", "", (4, 1), (0, 2), "digest of labels")
    folder = out / name
    folder.mkdir(parents=True)
    source = {"path": image, "voxels_sha256": "digest of voxels"}
    content = {"source": source, "pseudonym": None, "review": review.to_json()} | record
    (folder / "measurements.json").write_text(json.dumps(content))
    return folder


def test_an_accepted_case_in_full(tmp_path: Path) -> None:
    folder = bare_result(tmp_path, "one", "/in/heart.nii")
    (case,) = accepted_cases(tmp_path)
    assert case == {
        "image": "/in/heart.nii",
        "label": str(folder / "segmentation.nii.gz"),
        "patient": "one",
        "phase": "",
        "scheme": "cmr",
        "drawn_phases": [0, 2],
        "undrawn_slices": [4, 1],
        "image_sha256": "digest of voxels",
        "label_sha256": "digest of labels",
    }
    assert accepted_cases(tmp_path, scheme="acdc") == [case | {"scheme": "acdc"}]


@pytest.mark.parametrize(
    ("status", "is_one"), [("accepted", True), ("rejected", True), ("corrected", True), ("unreviewed", False)]
)
def test_a_folder_of_results_has_a_case_that_was_decided_on(tmp_path: Path, status: Status, is_one: bool) -> None:
    assert not looks_like_results(tmp_path)
    bare_result(tmp_path, "one", "/in/heart.nii", status=status)
    assert looks_like_results(tmp_path) is is_one
    assert len(accepted_cases(tmp_path)) == (status == "accepted")


def test_hidden_folders_and_records_of_others_are_passed_over(tmp_path: Path) -> None:
    bare_result(tmp_path, ".one", "/in/heart.nii")
    for name, record in (("a", "{"), ("b", "[]"), ("c", '{"source": {}}'), ("d", '{"review": 3}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "measurements.json").write_text(record)
    assert not looks_like_results(tmp_path)
    bare_result(tmp_path, "z", "/in/heart.nii")  # behind them all
    assert [case["patient"] for case in accepted_cases(tmp_path)] == ["z"]


def test_a_case_under_a_pseudonym_says_not_where_its_images_lie(tmp_path: Path) -> None:
    folder = bare_result(tmp_path, "P-1", None)
    with pytest.raises(DatasetError) as caught:
        accepted_cases(tmp_path)
    assert str(caught.value) == (
        "an accepted case must say where its images lie, one under a pseudonym does not; name them in a data list "
        f"[{folder}]"
    )


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        (("sub-1_ses-1", "/in/a.nii"), ("sub-1_ses-2", "/in/b.nii"), True),
        (("sub-1", "/in/a.nii"), ("sub-12", "/in/b.nii"), False),
        (("a", "/in/sub-1/a.nii"), ("b", "/in/sub-1/b.nii"), True),  # by their paths
        (("p1_ED", "/in/a.nii"), ("p1_ES", "/in/b.nii"), True),  # by their names
        (("p1_ED", "/in/a.nii"), ("p2_ES", "/in/a.nii"), False),
        (("p1_ED", "/gone/dicom"), ("p1_ES", "/gone/dicom"), True),  # DICOM that cannot be read any more
    ],
)
def test_which_results_are_of_one_patient(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], is_one: bool
) -> None:
    for name, image in (first, second):
        bare_result(tmp_path, name, image)
    one, other = (case["patient"] for case in accepted_cases(tmp_path))
    assert (one == first[0], other == one) == (True, is_one)


def test_a_patient_s_number_is_of_the_first_file_that_states_one(tmp_path: Path, new_study) -> None:
    dicom = new_study("dicom")
    dicom.image(0, 0, PatientID="")
    dicom.image(0, 1, PatientID="4711")
    other = tmp_path / "other.dcm"
    dicom.written[1].rename(other)
    (dicom.folder / "2.dcm").write_bytes(other.read_bytes())
    for name, image in (("a", dicom.folder), ("b", other)):
        bare_result(tmp_path / "out", name, str(image))
    assert [case["patient"] for case in accepted_cases(tmp_path / "out")] == ["a", "a"]
