"""Headers that state more than there can be are refused before memory is taken for it."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import RLELossless

from pipeline.core.errors import UnreadableError
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine
from pipeline.read.budget import MAX_VOXELS, require_affordable
from pipeline.read.cine import read_cine

AFFORDED = 200 << 20
"""Bytes that a refusal may take."""


def refuse(path: Path, words: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match=words):
            read_cine(path)
        assert tracemalloc.get_traced_memory()[1] < AFFORDED
    finally:
        tracemalloc.stop()


def test_the_largest_cine_is_afforded_and_one_voxel_more_is_not() -> None:
    require_affordable((50, 20, 512, 512), "x")
    require_affordable((MAX_VOXELS,), "x")
    with pytest.raises(UnreadableError, match=f"{MAX_VOXELS:,} voxels or fewer, its header states {MAX_VOXELS + 1};"):
        require_affordable((MAX_VOXELS + 1,), "x")
    with pytest.raises(UnreadableError):
        require_affordable((np.int16(32767),) * 4, "x")  # no overflow


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_nifti_header_of_a_thousand_gigabytes(tmp_path: Path, name: str) -> None:
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 3), np.int16), np.diag([1.5, 1.5, 8, 1])), tmp_path / name)
    raw = (tmp_path / name).read_bytes()
    content = bytearray(gzip.decompress(raw) if name.endswith("gz") else raw)
    content[40:50] = np.array([4, 32000, 32000, 30, 20], "<i2").tobytes()
    (tmp_path / name).write_bytes(gzip.compress(bytes(content)) if name.endswith("gz") else bytes(content))
    refuse(tmp_path / name, "its header states 32000 x 32000 x 30 x 20")


def test_zeros_without_end_behind_the_voxels(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 3), np.int16), np.diag([1.5, 1.5, 8, 1])), path)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content + bytes(68 << 20), compresslevel=1))
    refuse(path, "must end behind its voxels, a whole picture's bytes or more follow")


@pytest.mark.parametrize(("name", "old", "new"), [("a.mha", "DimSize = 4 4 3", "DimSize = 90000 90000 30")])
def test_other_formats(tmp_path: Path, name: str, old: str, new: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 4), np.int16)), str(tmp_path / name))
    content = (tmp_path / name).read_bytes()
    assert old.encode() in content
    (tmp_path / name).write_bytes(content.replace(old.encode(), new.encode()))
    refuse(tmp_path / name, "its header states 90000 x 90000 x 30")


def test_nrrd(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 4), np.int16)), str(path))
    path.write_bytes(path.read_bytes().replace(b"sizes: 4 4 3", b"sizes: 90000 90000 30"))
    refuse(path, "its header states 90000 x 90000 x 30")
    path.write_bytes(path.read_bytes().replace(b"sizes: 90000 90000 30", b"sizes: many 4 3"))
    refuse(path, "sizes must be positive whole numbers")


@pytest.mark.parametrize(
    ("compressed", "words"), [(True, "its header states"), (False, "pixel data must hold 8450000000 bytes")]
)
def test_dicom(tmp_path: Path, compressed: bool, words: str) -> None:
    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    for path in write_study(phantom, tmp_path / "study", extras=False):
        header = pydicom.dcmread(path)
        if compressed:
            header.compress(RLELossless)
        header.Rows = header.Columns = 65000
        header.save_as(path)
    refuse(tmp_path / "study", words)


def test_a_refusal_in_full() -> None:
    with pytest.raises(UnreadableError) as caught:
        require_affordable((MAX_VOXELS, 2), "x.nii")
    assert str(caught.value) == (
        "an image must have 536,870,912 voxels or fewer, its header states 536870912 x 2; if it has so many, crop it "
        "around the heart or split it [x.nii]"
    )
