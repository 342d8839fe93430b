"""Which images must be read whole to be believed."""

from __future__ import annotations

import gzip
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


@pytest.mark.parametrize("name", ["a.nii", "a.NII.GZ", "a.nii.gz"])
@pytest.mark.parametrize("kind", [np.uint8, np.int32])
def test_a_file_with_every_byte_is_whole_and_one_byte_less_is_not(tmp_path: Path, name: str, kind: type) -> None:
    content = save(tmp_path / "whole.nii", kind).read_bytes()
    for n_missing in (0, 1):
        cut = content[: len(content) - n_missing]
        (tmp_path / name).write_bytes(gzip.compress(cut) if name.lower().endswith("gz") else cut)
        assert is_doubtful(tmp_path / name) is (n_missing > 0)


def test_bytes_behind_the_voxels_are_doubted_where_gzip_tells_of_them(tmp_path: Path) -> None:
    content = save(tmp_path / "a.nii", np.int16).read_bytes() + b"more"
    (tmp_path / "a.nii").write_bytes(content)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content))
    assert (is_doubtful(tmp_path / "a.nii"), is_doubtful(tmp_path / "a.nii.gz")) == (False, True)
