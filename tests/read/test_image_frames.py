"""Frames of one patient, a file each, are one case; what names do not state plainly stays apart."""

from __future__ import annotations

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.cine import read_cine
from pipeline.read.discover import find_cases
from pipeline.read.image_frames import Frames, are_frames, find_frames, info_of, read_image
from pipeline.read.inspection import inspect_case
from pipeline.read.transforms import CineLoadImaged

INFO = "ED: 1\nES: 12\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n"


def _write(path: Path, *, value: int = 0, shape: tuple[int, ...] = (8, 6, 4), step_mm: float = 1.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(value).integers(100, 900, shape).astype(np.int16)
    array[0, 0, 0] = value
    nib.save(nib.Nifti1Image(array, np.diag([step_mm, step_mm, 8.0, 1.0])), path)
    return path


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "patient001"
    for frame in (12, 1):
        _write(folder / f"patient001_frame{frame:02d}.nii.gz", value=frame)
        _write(folder / f"patient001_frame{frame:02d}_gt.nii.gz", value=1, shape=(2, 2, 1))
    (folder / "Info.cfg").write_text(INFO)
    return folder


def test_acdc_s_frames_are_one_case_with_ed_and_es(patient: Path) -> None:
    for place in (patient, patient.parent):
        (case,) = find_cases(place)
        assert (case.name, case.kind, case.path) == ("patient001", "nifti", patient)
        assert [file.name for file in case.files[:2]] == ["patient001_frame01.nii.gz", "patient001_frame12.nii.gz"]
        cine = read_cine(case.files)
    assert cine.array[:, 0, 0, 0].tolist() == [1, 12]
    assert (cine.times_ms, cine.n_axes) == (None, 4)
    facts = cine.facts
    assert (facts.height_m, facts.weight_kg, facts.ed_phase, facts.es_phase) == (1.84, 95.0, 0, 1)
    assert "from Info.cfg: height, weight, end-diastole and end-systole" in cine.notes
    assert inspect_case(case).cine["n_phases"] == 2


def test_a_patient_s_folder_is_read_as_its_case_is(patient: Path) -> None:
    cine, (case,) = read_cine(patient), find_cases(patient)
    assert cine.facts == read_cine(case.files).facts
    np.testing.assert_array_equal(cine.array, read_cine(case.files).array)
    _write(patient / "patient001_4d.nii.gz", value=4, shape=(8, 6, 4, 30))
    assert (read_cine(patient).n_phases, read_cine(patient).facts.es_phase) == (30, 11)
    _write(patient / "other.nii.gz", value=5)
    with pytest.raises(UnreadableError, match="must be one NIfTI file, got 6"):
        read_cine(patient)


def test_monai_s_own_loading_reads_a_case_s_files(patient: Path) -> None:
    (case,) = find_cases(patient)
    image = CineLoadImaged("image")({"image": [str(file) for file in case.files]})["image"]
    assert image.shape == (2, 8, 6, 4)
    assert (image.meta["ed_phase"], image.meta["es_phase"], image.meta["weight_kg"]) == (0.0, 1.0, 95.0)


def test_where_es_comes_first_info_says_so(patient: Path) -> None:
    (patient / "Info.cfg").write_text(INFO.replace("ED: 1", "ED: 12").replace("ES: 12", "ES: 1"))
    facts = read_cine(find_cases(patient)[0].files).facts
    assert (facts.ed_phase, facts.es_phase) == (1, 0)


@pytest.mark.parametrize(
    ("info", "height_m", "ed_phase", "note"),
    [
        ("ED: 1\nES: 1\nHeight: 184\n", 1.84, None, "from Info.cfg: height"),
        ("ED: 1\nHeight: 1.84\n", None, None, "a Height of '1.84', which no body has"),
        ("ED: 1\nES: 7\nHeight: tall\n", None, None, "a Height of 'tall'"),
        ("nothing", None, None, "files of one each"),
    ],
)
def test_an_info_that_says_less_is_used_as_far_as_it_goes(
    patient: Path, info: str, height_m: float | None, ed_phase: int | None, note: str
) -> None:
    (patient / "Info.cfg").write_text(info)
    cine = read_cine(find_cases(patient)[0].files)
    assert (cine.facts.height_m, cine.facts.ed_phase) == (height_m, ed_phase)
    assert any(note in told for told in cine.notes)


def test_the_whole_cine_is_the_image_and_the_frames_are_its_parts(
    patient: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = _write(patient / "patient001_4d.nii.gz", value=4, shape=(8, 6, 4, 30))
    with caplog.at_level(logging.WARNING):
        (case,) = find_cases(patient)
    assert (case.name, case.files[0]) == ("patient001_4d", whole)
    assert "passed over 2 frame(s) of cines that are there whole" in caplog.text
    cine = read_cine(case.files)
    assert (cine.n_phases, cine.facts.ed_phase, cine.facts.es_phase, cine.facts.weight_kg) == (30, 0, 11, 95.0)


def test_ed_and_es_by_name(tmp_path: Path) -> None:
    for phase, value in (("ED", 1), ("ES", 2)):
        _write(tmp_path / f"001_SA_{phase}.nii.gz", value=value)
        _write(tmp_path / f"002_SA_{phase}.nii.gz", value=value + 5)
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == ["001_SA", "002_SA"]
    facts = read_cine(cases[0].files).facts
    assert (facts.ed_phase, facts.es_phase) == (0, 1)
    _write(tmp_path / "001_SA_CINE.nii.gz", value=9, shape=(8, 6, 4, 9))
    assert {case.name for case in find_cases(tmp_path)} == {"001_SA_CINE", "002_SA"}


@pytest.mark.parametrize("names", [("a_t1", "a_t2"), ("a_phase1", "a_phase2"), ("a_1", "a_2"), ("a_ED", "b_ES")])
def test_names_that_do_not_state_it_stay_apart(tmp_path: Path, names: tuple[str, str]) -> None:
    for value, name in enumerate(names):
        _write(tmp_path / f"{name}.nii.gz", value=value)
    assert [case.name for case in find_cases(tmp_path)] == list(names)


def test_frames_of_other_grids_or_of_several_phases_stay_apart(tmp_path: Path) -> None:
    _write(tmp_path / "a_ED.nii.gz")
    _write(tmp_path / "a_ES.nii.gz", value=1, step_mm=1.4)
    _write(tmp_path / "b_frame1.nii.gz", value=2, shape=(8, 6, 4, 3))
    _write(tmp_path / "b_frame2.nii.gz", value=3, shape=(8, 6, 4, 3))
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == ["a_ED", "a_ES", "b_frame1", "b_frame2"]
    with pytest.raises(UnreadableError, match="must be one NIfTI file, got 2"):
        read_cine([case.path for case in cases[:2]])


def test_one_frame_named_itself_is_one_phase(patient: Path) -> None:
    (case,) = find_cases(patient / "patient001_frame01.nii.gz")
    cine = read_cine(case.files)
    assert (case.name, cine.n_phases, cine.facts.ed_phase, cine.facts.height_m) == (
        "patient001_frame01",
        1,
        None,
        1.84,
    )


def test_acdc_is_one_case_a_patient(cmr_data: Path) -> None:
    """Of patient090 the whole cine is delivered as well, whose ED is frame 4 and ES frame 11."""
    cases = find_cases([cmr_data / "acdc" / f"patient{number:03d}" for number in (1, 2, 90)])
    assert [case.name for case in cases] == ["patient001", "patient002", "patient090_4d"]
    pair, whole = read_cine(cases[0].files), read_cine(cases[2].files)
    assert (pair.n_phases, pair.facts.ed_phase, pair.facts.es_phase, pair.facts.height_m) == (2, 0, 1, 1.84)
    assert (whole.n_phases, whole.facts.ed_phase, whole.facts.es_phase, whole.facts.height_m) == (12, 3, 10, 1.5)


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("a_ED", "a"),
        ("a-es", "a"),
        ("a_frame1", "a"),
        ("a-FRAME_07", "a"),
        ("a_frame-7", "a"),
        ("a_ED_frame1", "a_ED"),
        ("a_frame", None),
        ("frame1", None),
        ("a_EDV", None),
        ("aED", None),
    ],
)
def test_which_names_are_those_of_frames(tmp_path: Path, name: str, patient: str | None) -> None:
    """Beside the whole cine a single frame is told."""
    frame = _write(tmp_path / f"{name}.nii", value=1)
    whole = _write(tmp_path / f"{patient or name[0]}_4d.nii", value=2, shape=(8, 6, 4, 3))
    found = find_frames([frame, whole])
    assert found == ([] if patient is None else [Frames(patient, (frame,), whole)])


@pytest.mark.parametrize(
    ("name", "shape", "is_whole"),
    [
        ("a_4d", (8, 6, 4, 2), True),
        ("A_CINE", (8, 6, 4, 2), True),
        ("a", (8, 6, 4, 2), True),
        ("a_all", (8, 6, 4, 2), False),
        ("a_4d", (8, 6, 4, 1), False),
        ("a_4d", (8, 6, 4), False),
        ("b/a_4d", (8, 6, 4, 2), False),
    ],
)
def test_what_is_the_whole_cine_of_frames(tmp_path: Path, name: str, shape: tuple[int, ...], is_whole: bool) -> None:
    frames = tuple(_write(tmp_path / f"a_{phase}.nii", value=value) for value, phase in enumerate(("ED", "ES")))
    other = _write(tmp_path / f"{name}.nii", value=3, shape=shape)
    assert find_frames([other, *frames]) == [Frames("a", frames, other if is_whole else None)]


def test_frames_are_in_the_order_of_the_beat_and_of_one_folder(tmp_path: Path) -> None:
    late, early = (_write(tmp_path / f"a_frame{number}.nii", value=number) for number in (10, 9))
    other = _write(tmp_path / "b" / "a_frame8.nii", value=8)
    ed = _write(tmp_path / "a_ED.nii", value=1)  # named otherwise: of another cine
    assert find_frames([late, other, ed, early]) == [Frames("a", (early, late))]
    again = _write(tmp_path / "a_frame09.nii", value=5)
    assert find_frames([early, again, late]) == [Frames("a", (early, late))]
    assert are_frames([late, early])
    assert not are_frames([late, early, other])
    assert not are_frames([late])
    assert not are_frames([])


def test_a_frame_that_cannot_be_read_leaves_the_others_alone(tmp_path: Path) -> None:
    one, other = _write(tmp_path / "a_ED.nii"), tmp_path / "a_ES.nii"
    other.write_bytes(b"no image")
    assert find_frames([one, other]) == []
    (tmp_path / "a_4d.nii").write_bytes(b"no image")
    assert find_frames([one, tmp_path / "a_4d.nii"]) == []


@pytest.mark.parametrize(("off_mm", "is_one"), [(0.09, True), (0.2, False)])
def test_frames_may_lie_a_tenth_of_a_millimetre_apart(tmp_path: Path, off_mm: float, is_one: bool) -> None:
    files = [_write(tmp_path / f"a_{phase}.nii", value=value) for value, phase in enumerate(("ED", "ES"))]
    image = nib.load(files[1])
    affine = image.affine.copy()
    affine[0, 3] += off_mm
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), files[1])
    assert bool(find_frames(files)) is is_one


def test_frames_read_as_one_cine_say_what_they_are_made_of(tmp_path: Path) -> None:
    files = [_write(tmp_path / f"a_{phase}.nii", value=value) for value, phase in ((7, "ED"), (9, "ES"))]
    for path in files:
        path.write_bytes(path.read_bytes() + b"more")  # each with a note, told once
    cine = read_image(files[::-1])
    assert cine.array[:, 0, 0, 0].tolist() == [7, 9]
    assert (cine.times_ms, cine.stored_axes) == (None, None)
    assert cine.notes == (
        "the phases are files of one each: a_ED.nii, a_ES.nii",
        "4 bytes follow the voxels and are passed over",
        "from the names of the files: end-diastole and end-systole",
    )


def test_info_is_of_an_image_that_is_called_like_its_folder(tmp_path: Path) -> None:
    for name, folder, is_his in (("P1_4d.nii", "p1", True), ("p1.nii.gz", "P1x", False), ("x_p1.nii", "p1", False)):
        image = tmp_path / name.split(".")[0] / folder / name
        image.parent.mkdir(parents=True)
        assert info_of(image) is None
        (image.parent / "Info.cfg").write_text(INFO)
        assert info_of(image) == (image.parent / "Info.cfg" if is_his else None)


@pytest.mark.parametrize(
    ("info", "facts", "note"),
    [
        (INFO, (1.84, 95.0, 0, 11), "from Info.cfg: height, weight, end-diastole and end-systole"),
        ("ED: 4\nES: 30\n", (None, None, 3, 29), "from Info.cfg: end-diastole and end-systole"),
        ("ED: 0\nES: 30\nWeight: 70\n", (None, 70.0, None, None), "from Info.cfg: weight"),
        ("ED: 1\nES: 31\nHeight: 170\n", (1.7, None, None, None), "from Info.cfg: height"),
        ("Group: NOR\n", (None, None, None, None), None),
    ],
)
def test_what_info_says_of_a_whole_cine(
    tmp_path: Path, info: str, facts: tuple[float | None, ...], note: str | None
) -> None:
    whole = _write(tmp_path / "p1_4d.nii", shape=(8, 6, 4, 30))
    (tmp_path / "Info.cfg").write_text(info)
    cine = read_image([whole], info=tmp_path / "Info.cfg")
    found = cine.facts
    assert (found.height_m, found.weight_kg, found.ed_phase, found.es_phase) == facts
    assert cine.notes[1:] == (() if note is None else (note,))  # the first is of times


def test_a_whole_cine_without_info_has_no_phases_stated(tmp_path: Path) -> None:
    cine = read_image([_write(tmp_path / "p1_4d.nii", shape=(8, 6, 4, 30))])
    assert (cine.facts.ed_phase, cine.facts.es_phase, len(cine.notes)) == (None, None, 1)
