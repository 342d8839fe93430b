"""Label maps in a folder are passed over; images beside them, and a map that is named itself, are not."""

from __future__ import annotations

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.discover import find_cases
from pipeline.read.label_maps import is_label_map


def _write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 8.0, 1.0])), path)
    return path


IMAGE = np.random.default_rng(0).integers(0, 900, (12, 10, 4)).astype(np.int16)
LABELS = (np.indices((12, 10, 4)).sum(axis=0) % 4).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("patient001_frame01_gt.nii.gz", True),
        ("A0S9V9_sa_gt.nii.gz", True),
        ("segmentation.nii.gz", True),
        ("case-seg.nii", True),
        ("LABEL_3.nii.gz", True),
        ("study_mask.nrrd", True),
        ("patient001_frame01.nii.gz", False),
        ("segmental_strain.nii.gz", False),
        ("gtx_17.nii.gz", False),
        ("damask.nii", False),
    ],
)
def test_names(tmp_path: Path, name: str, expected: bool) -> None:
    assert is_label_map(tmp_path / name) is expected  # nothing is there to be read


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (LABELS, True),
        (LABELS.astype(np.float32), True),
        (LABELS.astype(np.int16) * 200, True),
        (IMAGE, False),
        (IMAGE.astype(np.float32) / 7, False),
        (np.where(LABELS == 1, 5000, 0).astype(np.int16), False),
        (LABELS.astype(np.int16) - 1, False),
        (np.zeros((12, 10, 4), np.int16), False),  # nothing is drawn, and nothing is shown
    ],
)
def test_values(tmp_path: Path, array: np.ndarray, expected: bool) -> None:
    assert is_label_map(_write(tmp_path / "case.nii.gz", array)) is expected


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("cine_seg.nii.gz", IMAGE, False),  # of a segmented acquisition
        ("cine_seg.nii.gz", LABELS, True),
        ("body_seg.nii.gz", (np.arange(480) % 60).reshape(12, 10, 4).astype(np.int16), True),
        ("lv_mask.nii.gz", np.linspace(0, 1, 480, dtype=np.float32).reshape(12, 10, 4), True),  # probabilities
        ("cine.nii.gz", np.stack([LABELS, LABELS // 2], axis=-1), True),  # of two phases
        ("cine_gt.nii.gz", np.stack([LABELS, LABELS // 2], axis=-1), True),
    ],
)
def test_a_name_is_held_against_the_values(tmp_path: Path, name: str, array: np.ndarray, expected: bool) -> None:
    assert is_label_map(_write(tmp_path / name, array)) is expected


def test_own_results_within_the_input_are_no_input(tmp_path: Path, study, caplog: pytest.LogCaptureFixture) -> None:
    """Not even the DICOM objects, which belong to the study by their UID, and would move the study's place."""
    study.cine(2, 3)
    (before,) = find_cases(tmp_path)
    out = tmp_path / "out" / "study"
    _write(out / "picture.nii.gz", IMAGE)
    _write(out / "history" / "1" / "picture.nii.gz", IMAGE)
    study.image(0, 0, name=str(out / "sr.dcm"), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    (out / "measurements.json").write_text("{}")
    assert len(find_cases(tmp_path)) == 3  # of anybody's
    (out / "measurements.json").write_text('{"source": {"identity": "study 1.2.3"}}')
    assert find_cases(tmp_path) == [before]
    assert f"passed over 1 folder(s) of results, as {out}" in caplog.text
    assert len(find_cases(out)) == 2  # named itself


def test_objects_of_a_study_elsewhere_do_not_move_it(tmp_path: Path, study) -> None:
    study.cine(2, 3)
    study.image(0, 0, name=str(tmp_path / "reports" / "sr.dcm"), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
    (case,) = find_cases(tmp_path)
    assert case.path == study.folder
    assert len(case.files) == 7


def test_of_a_data_set_the_images_alone_are_cases(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = _write(tmp_path / "imagesTr" / "heart_1.nii.gz", IMAGE)
    label = _write(tmp_path / "labelsTr" / "heart_1.nii.gz", LABELS)
    mask = _write(tmp_path / "out" / "heart_1" / "segmentation.nii.gz", LABELS)
    with caplog.at_level(logging.WARNING):
        assert [case.path for case in find_cases(tmp_path)] == [image]
    assert "passed over 2 label map(s)" in caplog.text
    assert [case.path for case in find_cases(label)] == [label]  # named itself
    mask.unlink()
    image.unlink()
    with pytest.raises(UnreadableError, match="an image must be found"):
        find_cases(tmp_path)


def _values(n: int, *, low: int = 0, high: int | None = None) -> np.ndarray:
    """An image of n values from `low` on; the last is `high` where that is given."""
    values = np.arange(low, low + n)
    values[-1] = values[-1] if high is None else high
    return values[np.arange(480) % n].reshape(12, 10, 4).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("a.nii", _values(2), True),
        ("a.nii", _values(12), True),
        ("a.nii", _values(13), False),
        ("a.nii", _values(4, high=2000), True),
        ("a.nii", _values(4, high=2001), False),
        ("a.nii", _values(4, low=1), False),  # without background
        ("a.nii", _values(4, low=-1), False),
        ("a.nii", _values(3).astype(np.float32), True),
        ("a.nii", _values(3).astype(np.float32) / 2, False),
        ("a_seg.nii", _values(64), True),
        ("a_seg.nii", _values(65), False),
        ("a_seg.nii", np.linspace(0, 1, 480, dtype=np.float32).reshape(12, 10, 4), True),
        ("a_seg.nii", np.linspace(0, 1.1, 480, dtype=np.float32).reshape(12, 10, 4), False),
    ],
)
def test_how_many_values_and_which_are_labels(tmp_path: Path, name: str, array: np.ndarray, expected: bool) -> None:
    assert is_label_map(_write(tmp_path / name, array)) is expected


@pytest.mark.parametrize(("rare", "expected"), [(1, True), (3000, False), (-3, False)])
def test_values_that_a_sample_misses_count(tmp_path: Path, rare: int, expected: bool) -> None:
    """Every third of these 12,288 voxels is looked at first."""
    array = np.zeros((32, 32, 12), np.int16)
    array[0, 0, 0] = 2
    array[0, 0, 1] = rare
    assert is_label_map(_write(tmp_path / "a.nii", array)) is expected
