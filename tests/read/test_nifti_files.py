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
