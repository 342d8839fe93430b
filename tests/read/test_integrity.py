"""Which images must be read whole to be believed."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.read.integrity import is_doubtful


def save(path: Path, kind: type, *, slope: float | None = None) -> Path:
    image = nib.Nifti1Image(np.ones((5, 4, 3), kind), np.eye(4))
    image.header.set_slope_inter(slope, 0 if slope else None)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_whole_numbers_in_a_whole_file_are_believed(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, np.int16)
    assert not is_doubtful(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert is_doubtful(path)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_that_may_be_none_are_looked_at(tmp_path: Path, kind: type) -> None:
    assert is_doubtful(save(tmp_path / "a.nii.gz", kind))


def test_what_is_no_image_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"no")
    assert is_doubtful(tmp_path / "a.nii")
    assert is_doubtful(tmp_path / "absent.nii.gz")
