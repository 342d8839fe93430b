"""One door for both formats."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import ConfigError, LabelError, UnreadableError
from pipeline.read.cine import SeriesOptions, read_cine, read_label


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
