"""Which files an image has, and what it is called."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import UnreadableError
from pipeline.read.formats import image_files, name_of, read_volume, volume_kind


def test_kinds_by_name():
    names = (
        "a.NII",
        "a.nii.gz",
        "a.mha",
        "a.MHD",
        "a.nrrd",
        "a.seq.nrrd",
        "a.nhdr",
        "a.dcm",
        "a.img",
        "a.hdr",
        "a",
        "a.gz",
    )
    kinds = ["nifti", "nifti", "itk", "itk", "itk", "itk", "itk", None, None, None, None, None]
    assert [volume_kind(name) for name in names] == kinds


def test_names_without_what_says_the_format():
    names = ("a.nii.gz", "a.b.NII", "a.img.gz", "a.mha", "a.seq.nrrd", "a", ".nii", "a.zip")
    assert [name_of(Path(name)) for name in names] == ["a", "a.b", "a", "a", "a.seq", "a", ".nii", "a.zip"]


def test_files_of_an_image_header_first(tmp_path):
    nib.save(nib.Nifti1Pair(np.zeros((2, 2, 3), np.uint8), np.eye(4)), tmp_path / "a.img")
    sitk.WriteImage(sitk.Image(2, 2, sitk.sitkUInt8), str(tmp_path / "b.mhd"))
    pair, detached = (tmp_path / "a.hdr", tmp_path / "a.img"), (tmp_path / "b.mhd", tmp_path / "b.raw")
    assert image_files(tmp_path / "a.hdr") == image_files(tmp_path / "a.img") == pair
    assert image_files(tmp_path / "b.mhd") == detached
    (tmp_path / "b.raw").unlink()
    assert image_files(tmp_path / "b.mhd") == (tmp_path / "b.mhd",)
    assert image_files(tmp_path / "c.nii") == (tmp_path / "c.nii",)


def test_other_formats_are_refused_with_those_that_are_read(tmp_path):
    for name in ("a.mgz", "a.par", "a.mat", "a.png"):
        with pytest.raises(UnreadableError, match=r"DICOM; NIfTI .*; MetaImage .*; NRRD .*\[a\.\w+\]"):
            read_volume(Path(name))


def test_a_file_of_no_format_is_refused_in_full_and_others_are_read(tmp_path):
    with pytest.raises(UnreadableError) as caught:
        read_volume(tmp_path / "a.png")
    assert str(caught.value) == (
        "an image must be of a format that is read, which are DICOM; NIfTI (.nii, .nii.gz, .img with .hdr); MetaImage "
        f"(.mha, .mhd); NRRD (.nrrd, .nhdr); zip and tar archives of these [{tmp_path / 'a.png'}]"
    )
    nib.save(nib.Nifti1Image(np.zeros((2, 3, 4), np.uint8), np.eye(4)), tmp_path / "a.nii")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 3, 2), np.uint8)), str(tmp_path / "a.mha"))
    assert [read_volume(str(tmp_path / name)).array.shape for name in ("a.nii", "a.mha")] == [(1, 2, 3, 4)] * 2


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img", ".mha", ".mhd", ".nrrd"])
def test_each_ending_says_the_format(ending):
    assert name_of(Path(f"a.b{ending}")) == name_of(Path(f"a.b{ending.upper()}")) == "a.b"
    assert name_of(Path(ending)) == ending
