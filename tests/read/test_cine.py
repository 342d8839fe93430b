"""One door for all formats."""

from __future__ import annotations

import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import ConfigError, LabelError, LatticeError, UnreadableError
from pipeline.read.cine import SeriesOptions, read_cine, read_label, require_stack


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    array = np.array([0, 1, 2, 3, 255, 0], np.uint8).reshape(3, 2, 1)
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "a.nii.gz")
    return tmp_path / "a.nii.gz"


def test_nifti_by_any_spelling(stored: Path) -> None:
    arrays = [read_cine(source).array for source in (stored, str(stored), [stored], (str(stored),))]
    assert all(array.shape == (1, 3, 2, 1) for array in arrays)


def test_labels_are_translated_on_the_same_grid(stored: Path) -> None:
    label = read_label(stored, scheme="acdc")
    assert label.array.ravel().tolist() == [0, 3, 2, 1, 255, 0]
    assert label.array.dtype == np.uint8
    assert label.grid.matches(read_cine(stored).grid)
    with pytest.raises(LabelError, match="3"):
        read_label(stored, scheme={0: 0, 1: 1, 2: 2})
    with pytest.raises(ConfigError, match="scheme"):
        read_label(stored, scheme="none")


def test_refusals(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(UnreadableError, match="at least one file"):
        read_cine([])
    with pytest.raises(UnreadableError, match="one NIfTI file, got 2"):
        read_cine([stored, stored])
    with pytest.raises(UnreadableError, match="there is none"):
        read_cine(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableError):
        read_cine(tmp_path / "empty")


def test_dicom_folder_and_list_agree(cmr_data: Path) -> None:
    folder = cmr_data / "sunnybrook" / "dicom" / "SCD0000101"
    whole = read_cine(folder)
    listed = read_cine(
        sorted(folder.glob("*.dcm"), reverse=True), options=SeriesOptions(series_uid=whole.facts.series_uid)
    )
    assert whole.array.shape == (20, 256, 256, 12)
    np.testing.assert_array_equal(whole.array, listed.array)


def test_few_missing_voxels_are_filled_and_many_refused_in_every_format(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(100, 10, (20, 20, 3)).astype(np.float32)
    array[10, 10, 1] = np.nan
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(array.T.copy()), str(tmp_path / "a.mha"))
    for name in ("a.nii.gz", "a.mha"):
        cine = read_cine(tmp_path / name)
        assert np.isfinite(cine.array).all()
        assert any("1 voxel was NaN or infinite" in note for note in cine.notes)
    nib.save(nib.Nifti1Image(np.full((4, 4, 3), np.nan, np.float32), np.eye(4)), tmp_path / "b.nii")
    with pytest.raises(UnreadableError, match=r"100\.0% NaN or infinite in slice 0.*\[.*b\.nii\]"):
        read_cine(tmp_path / "b.nii")


def test_nothing_is_made_up_in_a_label_map(tmp_path: Path) -> None:
    array = np.zeros((20, 20, 3), np.float32)
    array[10, 10, 1] = np.nan
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(LabelError):
        read_label(tmp_path / "a.nii.gz", scheme="cmr")


def test_a_folder_or_archive_with_one_image_file_is_that_image(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    stored.rename(folder / "a.nii.gz")
    (tmp_path / "in" / "readme.txt").write_text("not an image")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as file:
        file.write(folder / "a.nii.gz", "deep/a.nii.gz")
    for source in (tmp_path / "in", tmp_path / "in.zip", tmp_path / "in.zip" / "deep" / "a.nii.gz"):
        assert read_cine(source).array.shape == (1, 3, 2, 1)
    (folder / "b.nii").write_bytes(b"")
    with pytest.raises(UnreadableError, match="one NIfTI file, got 2"):
        read_cine(tmp_path / "in")


def test_dicom_is_read_beside_files_of_other_formats(tmp_path: Path, study, stored: Path) -> None:
    study.cine(2, 3)
    stored.rename(study.folder / "labels.nii.gz")
    assert read_cine(study.folder).array.shape[0] == 2


def test_other_formats_are_refused_with_those_that_are_read(tmp_path: Path) -> None:
    for name in ("a.mgz", "a.img", "a.png"):
        (tmp_path / name).write_bytes(b"anything" * 100)
        with pytest.raises(UnreadableError, match=rf"DICOM; NIfTI.*\[.*{name}\]"):
            read_cine(tmp_path / name)


def test_fewer_than_3_slices_are_read_and_are_no_stack(tmp_path: Path, study) -> None:
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 1, 25), np.int16), np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "la_2ch.nii")
    cine = read_cine(tmp_path / "la_2ch.nii")
    assert cine.array.shape == (25, 4, 4, 1)
    with pytest.raises(LatticeError, match=r"at least 3 slices, got 1, as a long-axis view.*\[la_2ch\.nii\]"):
        require_stack(cine, path="la_2ch.nii")
    study.cine(2, 2)
    require_stack(
        read_cine(study.folder, options=SeriesOptions(series_uid="1.2.3.1")), path=""
    )  # named by whoever asks for it
