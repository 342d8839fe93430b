"""NIfTI's bytes: pairs, Analyze, compression by content, and files that are something else."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.nifti import read_nifti
from pipeline.read.nifti_files import is_nifti, nifti_pair

AFFINE = np.array([[1.2, 0.3, 0.0, -90.0], [-0.3, 1.2, 0.0, 40.0], [0.0, 0.0, 8.0, 12.5], [0, 0, 0, 1]])
ARRAY = np.arange(3 * 4 * 2 * 5, dtype=np.int16).reshape(3, 4, 2, 5)


def saved(path: Path, kind=nib.Nifti1Image, array=ARRAY) -> Path:
    nib.save(kind(array, AFFINE), path)
    return path


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.nifti2.Nifti2Pair])
@pytest.mark.parametrize("name", ["a.img", "a.hdr"])
def test_a_pair_is_read_by_either_name(tmp_path: Path, kind: type, name: str) -> None:
    saved(tmp_path / "a.img", kind)
    assert is_nifti(tmp_path / name)
    assert nifti_pair(tmp_path / name) == (tmp_path / "a.hdr", tmp_path / "a.img")
    cine = read_nifti(tmp_path / name)
    np.testing.assert_array_equal(cine.array, np.moveaxis(ARRAY, -1, 0))
    np.testing.assert_allclose(cine.grid.affine, AFFINE, atol=1e-5)


def test_halves_compressed_and_in_capitals(tmp_path: Path) -> None:
    saved(tmp_path / "a.img", nib.Nifti1Pair)
    (tmp_path / "A.HDR").write_bytes((tmp_path / "a.hdr").read_bytes())
    (tmp_path / "A.IMG.gz").write_bytes(gzip.compress((tmp_path / "a.img").read_bytes()))
    assert read_nifti(tmp_path / "A.HDR").array.shape == (5, 3, 4, 2)
    assert read_nifti(tmp_path / "A.IMG.gz").array[4, 2, 3, 1] == ARRAY[2, 3, 1, 4]


def test_analyze_has_spacing_and_no_place(tmp_path: Path) -> None:
    image = nib.AnalyzeImage(ARRAY, None)
    image.header.set_zooms((1.5, 1.25, 8.0, 0.04))
    nib.save(image, tmp_path / "a.img")
    cine = read_nifti(tmp_path / "a.hdr")
    np.testing.assert_array_equal(cine.array, np.moveaxis(ARRAY, -1, 0))
    assert cine.grid.spacing_mm == pytest.approx((1.5, 1.25, 8.0))
    assert "position and orientation are unknown" in cine.notes[0]


def test_spms_scale_and_its_origin_that_is_no_form_code(tmp_path: Path) -> None:
    image = nib.Spm99AnalyzeImage(ARRAY, np.diag([-1.5, 1.25, 8.0, 1.0]))
    image.header["origin"][:3] = 2, 1, 1  # where NIfTI has the code of the sform
    image.header.set_slope_inter(0.5, 0)
    nib.save(image, tmp_path / "a.img")
    cine = read_nifti(tmp_path / "a.img")
    np.testing.assert_allclose(cine.array, np.moveaxis(np.asarray(nib.load(tmp_path / "a.img").dataobj), -1, 0))
    assert cine.grid.spacing_mm == pytest.approx((1.5, 1.25, 8.0))


def test_half_a_pair_and_other_hdr_files_are_no_pair(tmp_path: Path) -> None:
    saved(tmp_path / "a.img", nib.Nifti1Pair)
    (tmp_path / "b.img").write_bytes((tmp_path / "a.img").read_bytes())
    (tmp_path / "c.img").write_bytes(b"ENVI's voxels")
    (tmp_path / "c.hdr").write_text("ENVI\nsamples = 3\n")
    assert [is_nifti(tmp_path / name) for name in ("a.img", "b.img", "c.img", "c.hdr", "d.hdr")] == [True] + 4 * [False]
    with pytest.raises(UnreadableError, match=r"\.img and \.hdr side by side \[.*b\.img\]"):
        read_nifti(tmp_path / "b.img")


@pytest.mark.parametrize(("name", "compressed"), [("a.nii.gz", False), ("a.nii", True)])
def test_compression_is_told_by_content(tmp_path: Path, name: str, compressed: bool) -> None:
    content = saved(tmp_path / "plain.nii").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if compressed else content)
    np.testing.assert_array_equal(read_nifti(tmp_path / name).array, np.moveaxis(ARRAY, -1, 0))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>" + b" " * 600, "it is a web page"),
        (b"\n<html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
        (b"/annex/objects/MD5E-s1--0.nii.gz\n", "git-annex"),
        (b"PNG or anything" * 50, "does not start with a NIfTI header"),
        (b"", "does not start with a NIfTI header"),
    ],
)
def test_what_else_may_have_the_name_is_told(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableError, match=rf"not NIfTI: .*{told}.*\[.*{name}\]") as caught:
        read_nifti(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_header_of_half_a_pair_in_one_file_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a.img", nib.Nifti1Pair)
    (tmp_path / "a.nii").write_bytes((tmp_path / "a.hdr").read_bytes() + (tmp_path / "a.img").read_bytes())
    with pytest.raises(UnreadableError, match="half of a pair"):
        read_nifti(tmp_path / "a.nii")


def with_offset(path: Path, offset: float) -> Path:
    """A file whose header says that the voxels start there."""
    content = bytearray(saved(path).read_bytes())
    content[108:112] = np.float32(offset).tobytes()
    path.write_bytes(bytes(content))
    return path


def test_an_offset_of_nothing_is_the_headers_end(tmp_path: Path) -> None:
    cine = read_nifti(with_offset(tmp_path / "a.nii", 0))
    np.testing.assert_array_equal(cine.array, np.moveaxis(ARRAY, -1, 0))
    assert cine.notes[0] == "vox_offset is 0, within the header: the voxels are read from byte 352 on"


@pytest.mark.parametrize("offset", [348, 16, -1, 352.5, np.nan])
def test_voxels_within_the_header_are_refused(tmp_path: Path, offset: float) -> None:
    with pytest.raises(UnreadableError, match=f"voxels must start at byte 352 or later, the header says {offset:g}"):
        read_nifti(with_offset(tmp_path / "a.nii", offset))


@pytest.mark.parametrize("offset", [1e30, np.inf])
def test_voxels_behind_all_files_are_refused(tmp_path: Path, offset: float) -> None:
    with pytest.raises(UnreadableError, match=r"truncated or corrupt|must start at byte"):
        read_nifti(with_offset(tmp_path / "a.nii", offset))


PICTURE = 3 * 4 * 2
"""Bytes of one of the array's."""


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img"])
def test_a_few_bytes_behind_the_voxels_are_told_and_a_picture_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, nib.Nifti1Pair if name.endswith("img") else nib.Nifti1Image)
    content = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    for n_behind in (PICTURE - 1, PICTURE):
        longer = content + bytes(n_behind)
        path.write_bytes(gzip.compress(longer) if name.endswith("gz") else longer)
        if n_behind < PICTURE:
            cine = read_nifti(path)
            assert f"{n_behind} bytes follow the voxels and are passed over" in cine.notes
            np.testing.assert_array_equal(cine.array, np.moveaxis(ARRAY, -1, 0))
    with pytest.raises(UnreadableError, match="a whole picture's bytes or more follow"):
        read_nifti(path)


def test_fewer_phases_stated_than_there_are(tmp_path: Path) -> None:
    content = bytearray(saved(tmp_path / "a.nii").read_bytes())
    content[48:50] = np.int16(4).tobytes()  # dim[4]
    (tmp_path / "a.nii").write_bytes(bytes(content))
    with pytest.raises(UnreadableError, match="`dim` or `datatype` states fewer than there are"):
        read_nifti(tmp_path / "a.nii")


def test_voxels_are_no_window_on_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii")
    array = read_nifti(path).array
    with path.open("r+b") as file:
        file.truncate(352)
    np.testing.assert_array_equal(array, np.moveaxis(ARRAY, -1, 0))
