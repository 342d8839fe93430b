"""NIfTI's bytes: pairs, Analyze, compression by content, and files that are something else."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.nifti import read_nifti
from pipeline.read.nifti_files import is_nifti, nifti_pair, stored_header, stored_voxels

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


def refusal(path: Path) -> str:
    """What is said of a file that is refused, without its name, which must be there."""
    with pytest.raises(UnreadableError) as caught:
        read_nifti(path)
    assert caught.value.path == path
    return str(caught.value).removesuffix(f" [{path}]")


def test_refusals_in_full(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "a.mgz") == "a NIfTI file must be named .nii or .nii.gz, or be an .img and .hdr side by side"
    )
    assert refusal(tmp_path / "a.nii") == "a NIfTI file was expected here, but there is none"
    (tmp_path / "folder.nii").mkdir()
    assert refusal(tmp_path / "folder.nii") == "a NIfTI file was expected here, but there is none"
    (tmp_path / "b.nii").write_bytes(b"anything")
    assert refusal(tmp_path / "b.nii") == "the file is truncated or not NIfTI: it does not start with a NIfTI header"
    half = saved(tmp_path / "c.img", nib.Nifti1Pair)
    (tmp_path / "d.nii").write_bytes((tmp_path / "c.hdr").read_bytes() + half.read_bytes())
    assert refusal(tmp_path / "d.nii") == "the file is not NIfTI, or half of a pair: its header is marked b'ni1'"
    (tmp_path / "e.nii.gz").write_bytes(gzip.compress(saved(tmp_path / "e.nii").read_bytes())[:60])
    assert refusal(tmp_path / "e.nii.gz").startswith("the file is truncated or corrupt (")
    longer = saved(tmp_path / "f.nii")
    longer.write_bytes(longer.read_bytes() + bytes(PICTURE))
    assert refusal(longer) == (
        "a file must end behind its voxels, a whole picture's bytes or more follow: `dim` or `datatype` states fewer "
        "than there are"
    )
    shorter = saved(tmp_path / "g.nii")
    shorter.write_bytes(shorter.read_bytes()[:-1])
    assert refusal(shorter).startswith("the file is truncated or corrupt (Expected 240 bytes, got 239 bytes")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b" \n<!DOCTYPE html>", "it is a web page"),
        (b"<HTML>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "it is a pointer of Git LFS, fetch the file itself"),
        (b"/annex/objects/MD5E", "it is a pointer of git-annex, fetch the file itself"),
        (b"a page <html>", "it does not start with a NIfTI header"),
    ],
)
def test_a_foreign_file_is_told_in_full(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.nii").write_bytes(content)
    assert refusal(tmp_path / "a.nii") == f"the file is truncated or not NIfTI: {told}"


def test_a_header_of_347_bytes_is_cut_short_and_one_of_348_is_none(tmp_path: Path) -> None:
    content = saved(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii").write_bytes(content[:347])
    with pytest.raises(UnreadableError, match="truncated or not NIfTI"):
        stored_header(tmp_path / "b.nii")
    (tmp_path / "b.nii").write_bytes(content[:348])
    assert stored_header(tmp_path / "b.nii")["dim"].tolist() == [4, 3, 4, 2, 5, 1, 1, 1]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_either_order_of_bytes(tmp_path: Path, order: str, kind: type) -> None:
    image = kind(ARRAY, AFFINE, header=kind.header_class(endianness=order))
    nib.save(image, tmp_path / "a.nii")
    assert nib.load(tmp_path / "a.nii").header.endianness == order
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii").array, np.moveaxis(ARRAY, -1, 0))


def test_a_header_is_read_as_it_is(tmp_path: Path) -> None:
    """nibabel's own check turns a spacing of 0 into 1."""
    content = bytearray(saved(tmp_path / "a.nii").read_bytes())
    content[80:84] = np.float32(0).tobytes()
    (tmp_path / "a.nii").write_bytes(bytes(content))
    assert stored_header(tmp_path / "a.nii")["pixdim"][1] == 0.0


def test_of_a_pair_in_both_spellings_the_own_one_counts(tmp_path: Path) -> None:
    saved(tmp_path / "a.img", nib.Nifti1Pair)
    for ending in ("hdr", "img"):
        content = (tmp_path / f"a.{ending}").read_bytes()
        (tmp_path / f"a.{ending.upper()}").write_bytes(content)
        (tmp_path / f"a.{ending}.gz").write_bytes(gzip.compress(content))
    names = {"a.hdr": ("a.hdr", "a.img"), "a.IMG": ("a.hdr", "a.IMG"), "a.hdr.gz": ("a.hdr.gz", "a.img")}
    for name, (first, second) in names.items():
        assert nifti_pair(tmp_path / name) == (tmp_path / first, tmp_path / second)


def test_halves_in_capitals_or_compressed_are_found_from_the_other(tmp_path: Path) -> None:
    saved(tmp_path / "a.img", nib.Nifti1Pair)
    header, voxels = (tmp_path / "a.hdr").rename(tmp_path / "a.HDR"), tmp_path / "a.img"
    assert nifti_pair(voxels) == (header, voxels)
    (tmp_path / "a.hdr.gz").write_bytes(gzip.compress(header.read_bytes()))
    header.unlink()
    assert nifti_pair(voxels) == (tmp_path / "a.hdr.gz", voxels)
    assert nifti_pair(tmp_path / "a.hdr") is None  # not there itself
    assert nifti_pair(tmp_path / "a.nii") is None
    (tmp_path / "a.hdr.gz").write_bytes(gzip.compress(b"x" * 400)[:20])  # cannot be read
    assert nifti_pair(voxels) is None


def test_a_scale_makes_floats_and_none_leaves_integers(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ARRAY, AFFINE)
    for slope, inter, scaled in ((1.0, 0.0, False), (2.0, 0.0, True), (1.0, 3.0, True)):
        image.header.set_slope_inter(slope, inter)
        nib.save(image, tmp_path / "a.nii")
        path = tmp_path / "a.nii"
        content = bytearray(path.read_bytes())
        content[112:120] = np.array([slope, inter], "<f4").tobytes()
        path.write_bytes(bytes(content))
        _, was_scaled, notes = stored_voxels(path, stored_header(path))
        assert (was_scaled, notes) == (scaled, ())
        assert read_nifti(path).array.dtype == (np.float32 if scaled else np.int16)


@pytest.mark.parametrize("offset", [0, 16, 32])
def test_a_pair_s_voxels_may_start_anywhere(tmp_path: Path, offset: int) -> None:
    path = saved(tmp_path / "a.img", nib.Nifti1Pair)
    content = bytearray((tmp_path / "a.hdr").read_bytes())
    content[108:112] = np.float32(offset).tobytes()
    (tmp_path / "a.hdr").write_bytes(bytes(content))
    path.write_bytes(bytes(offset) + path.read_bytes())
    cine = read_nifti(path)
    np.testing.assert_array_equal(cine.array, np.moveaxis(ARRAY, -1, 0))
    assert not any("vox_offset" in note for note in cine.notes)


@pytest.mark.parametrize("least", [352, 544])
def test_voxels_may_start_right_behind_the_header_or_later(tmp_path: Path, least: int) -> None:
    kind = nib.Nifti1Image if least == 352 else nib.Nifti2Image
    path = saved(tmp_path / "a.nii", kind)
    header = stored_header(path)
    assert header["vox_offset"] == least
    for offset, told in (
        (least, ()),
        (0, (f"vox_offset is 0, within the header: the voxels are read from byte {least} on",)),
    ):
        header["vox_offset"] = offset
        array, _, notes = stored_voxels(path, header)
        np.testing.assert_array_equal(array, ARRAY)
        assert notes == told
        assert header["vox_offset"] == offset  # the caller's own is left as it is
    header["vox_offset"] = least - 1
    with pytest.raises(UnreadableError) as caught:
        stored_voxels(path, header)
    told = f"voxels must start at byte {least} or later, the header says {least - 1} [{path}]"
    assert str(caught.value) == told
