"""What a study holds, told without segmenting."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np

from pipeline.app.inspection import to_json, to_text
from pipeline.read.cine import SeriesOptions, read_cine
from pipeline.read.discover import find_cases
from pipeline.read.inspection import Inspection, inspect_case


def _mixed(study) -> None:
    """A cine, its phase map, a perfusion in its plane, a long-axis view and a localiser."""
    study.cine(8, 6, SeriesNumber=2, SeriesDescription="cine SA")
    study.cine(8, 6, SeriesInstanceUID="1.2.3.2", SeriesNumber=3, ImageType=["ORIGINAL", "PRIMARY", "P"])
    study.cine(30, 3, SeriesInstanceUID="1.2.3.3", SeriesNumber=4, TriggerTime=lambda t: 800.0 * t)
    study.cine(
        8, 1, SeriesInstanceUID="1.2.3.4", SeriesNumber=5, ImageOrientationPatient=[0.6, -0.8, 0.0, 0.0, 0.0, -1.0]
    )
    study.cine(1, 6, SeriesInstanceUID="1.2.3.5", SeriesNumber=6, EchoTime=4.0)
    study.image(0, 0, SeriesInstanceUID="1.2.3.6", SeriesNumber=1, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    study.cine(
        8, 6, SeriesInstanceUID="1.2.3.7", SeriesNumber=7, InversionTime=lambda t: 100.0 + 80.0 * t, EchoTime=2.0
    )


def test_every_series_is_named_and_one_is_read(study):
    _mixed(study)
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    assert {stack.numbers: stack.taken_for for stack in found.stacks} == {
        (2,): "short-axis cine",
        (3,): "phase pictures",
        (4,): "dynamic series, as perfusion",
        (5,): "single moving slices",
        (6,): "static stack",
        (1,): "localiser or single pictures",
        (7,): "map or several echoes",
    }
    assert [stack.numbers for stack in found.stacks if stack.is_read] == [(2,)]
    assert found.stacks[0].numbers == (2,)
    assert found.stacks[0].points == sum(points for points, _ in found.stacks[0].evidence)
    assert found.cine is not None
    assert (found.cine["n_phases"], found.cine["n_slices"], found.refusal) == (8, 6, None)


def test_a_refusal_is_told_and_the_series_are_listed_all_the_same(study):
    study.cine(8, 2)
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    assert found.cine is None
    assert "at least 3 parallel slices" in found.refusal
    assert [stack.taken_for for stack in found.stacks] == ["single moving slices"]
    named = inspect_case(case, options=SeriesOptions(series_uid="1.2.3.1"))
    assert named.refusal is None
    assert named.cine["n_slices"] == 2


def test_text_and_json_tell_the_same(study):
    _mixed(study)
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    text = to_text(found)
    assert '* series 2 "cine SA": 6 slice(s) x 8 phase(s): short-axis cine' in text
    assert "would segment: 6 slices x 8 phases of 4 x 5 pixels, 1.50 x 2.00 x 8.00 mm, times 5 to 705 ms" in text
    read = json.loads(to_json(found))
    assert [stack["taken_for"] for stack in read["stacks"]] == [stack.taken_for for stack in found.stacks]
    for note in found.notes:
        assert f"note: {note}" in text


def test_a_stack_is_described_in_full(study):
    study.cine(8, 6, SeriesNumber=2, SeriesDescription="cine SA")
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    assert (found.name, found.path, found.kind, found.refusal) == (case.name, str(case.path), "dicom", None)
    assert found.cine == {
        "n_phases": 8,
        "n_slices": 6,
        "pixels": [4, 5],
        "spacing_mm": [1.5, 2.0, 8.0],
        "times_ms": [100.0 * phase + 5 for phase in range(8)],
        "heart_rate_bpm": None,
    }
    (stack,) = found.stacks
    assert (stack.series, stack.numbers, stack.description) == (("1.2.3.1",), (2,), "cine SA")
    assert (stack.n_slices, stack.n_phases, stack.taken_for, stack.is_read) == (6, 8, "short-axis cine", True)
    assert all(points == round(points, 1) for points in (stack.points, *(points for points, _ in stack.evidence)))
    assert found.notes == read_cine(case.files).notes


def test_of_a_case_that_is_refused_the_notes_are_those_on_its_files(study):
    study.cine(8, 2)
    study.image(0, 9, SOPClassUID="1.2.3.4")
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    assert found.cine is None
    assert [stack.is_read for stack in found.stacks] == [False]
    assert any("an unknown kind of object (1)" in note for note in found.notes)


def test_numbers_that_are_not_stated_are_left_out(study):
    study.cine(1, 6, SeriesNumber=None, ImageType=["DERIVED", "SECONDARY"])
    (case,) = find_cases(study.folder)
    (stack,) = inspect_case(case).stacks
    assert stack.numbers == ()
    assert stack.taken_for == "derived pictures"


def test_a_static_stack_that_is_read_is_still_no_cine(study):
    study.cine(1, 6)
    (case,) = find_cases(study.folder)
    (stack,) = inspect_case(case, options=SeriesOptions(series_uid="1.2.3.1")).stacks
    assert (stack.taken_for, stack.n_phases) == ("static stack", 1)


def test_an_image_of_another_format_has_no_stacks(tmp_path):
    array = np.random.default_rng(0).integers(0, 900, (8, 6, 4, 3)).astype(np.int16)
    image = nib.Nifti1Image(array, np.diag([1.23456, 1.5, 8.0, 1.0]))
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 300.123456
    nib.save(image, tmp_path / "heart.nii")
    (case,) = find_cases(tmp_path / "heart.nii")
    found = inspect_case(case)
    assert found == Inspection(
        "heart",
        str(tmp_path / "heart.nii"),
        "nifti",
        (),
        {
            "n_phases": 3,
            "n_slices": 4,
            "pixels": [8, 6],
            "spacing_mm": [1.2346, 1.5, 8.0],
            "times_ms": [0.0, 300.123, 600.247],
            "heart_rate_bpm": None,
        },
        None,
        (),
    )
    nib.save(nib.Nifti1Image(array[..., 0], np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "heart.nii")
    assert inspect_case(case).cine["times_ms"] is None


def test_a_case_that_is_gone_or_does_not_unpack_is_told(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 cut short")
    (case,) = find_cases(tmp_path / "a.zip")
    found = inspect_case(case)
    assert (found.name, found.path, found.kind, found.stacks, found.cine, found.notes) == (
        "a",
        str(tmp_path / "a.zip"),
        "archive",
        (),
        None,
        (),
    )
    assert found.refusal.startswith("an archive must be whole")
    (tmp_path / "b.nii").write_bytes(b"")
    (case,) = find_cases(tmp_path / "b.nii")
    (tmp_path / "b.nii").unlink()
    told = f"a NIfTI file was expected here, but there is none [{tmp_path / 'b.nii'}]"
    assert inspect_case(case) == Inspection("b", str(tmp_path / "b.nii"), "nifti", (), None, told, ())
