"""NIfTI reading: arrays, times, refusals, and what ACDC's files really hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.read.cine import read_label
from pipeline.read.nifti import nifti_shape, read_nifti, read_nifti_grid
from pipeline.read.nifti_files import is_nifti

OBLIQUE = np.array([[1.2, 0.3, 0.0, -90.0], [-0.3, 1.2, 0.0, 40.0], [0.0, 0.0, 8.0, 12.5], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray, *, affine: np.ndarray = OBLIQUE, units=("mm", "sec"), step=0.04) -> Path:
    image = nib.Nifti1Image(array, affine, dtype=array.dtype)
    image.header.set_xyzt_units(*units)
    if array.ndim == 4:
        image.header["pixdim"][4] = step
    nib.save(image, path)
    return path


def counted(*shape: int, dtype: type = np.int16) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_volume_is_a_cine_of_one_phase(tmp_path: Path, name: str) -> None:
    array = counted(3, 4, 5)
    cine = read_nifti(save(tmp_path / name, array))
    assert cine.array.shape == (1, 3, 4, 5)
    assert cine.array.dtype == np.int16
    np.testing.assert_array_equal(cine.array[0], array)
    np.testing.assert_allclose(cine.grid.affine, OBLIQUE, atol=1e-5)
    assert cine.times_ms is None
    assert cine.notes == ()


def test_fourth_axis_becomes_the_first(tmp_path: Path) -> None:
    array = counted(3, 4, 2, 5)
    cine = read_nifti(save(tmp_path / "a.nii.gz", array))
    assert cine.array.shape == (5, 3, 4, 2)
    assert cine.array[4, 1, 2, 0] == array[1, 2, 0, 4]
    assert cine.times_ms == (0.0, 40.0, 80.0, 120.0, 160.0)
    assert nifti_shape(tmp_path / "a.nii.gz") == (3, 4, 2, 5)


@pytest.mark.parametrize(("unit", "step", "second"), [("msec", 33.5, 33.5), ("usec", 25000.0, 25.0)])
def test_time_units(tmp_path: Path, unit: str, step: float, second: float) -> None:
    cine = read_nifti(save(tmp_path / "a.nii", counted(2, 2, 1, 2), units=("mm", unit), step=step))
    assert cine.times_ms == (0.0, second)


@pytest.mark.parametrize(("unit", "step"), [("unknown", 1.0), ("hz", 1.0), ("sec", 0.0), ("sec", np.nan)])
def test_times_that_are_unknown_are_not_invented(tmp_path: Path, unit: str, step: float) -> None:
    cine = read_nifti(save(tmp_path / "a.nii", counted(2, 2, 1, 2), units=("mm", unit), step=step))
    assert cine.times_ms is None
    assert "times of the phases are unknown" in cine.notes[0]


def test_scaling_is_applied_and_gives_float32(tmp_path: Path) -> None:
    image = nib.Nifti1Image(counted(2, 2, 2), OBLIQUE)
    image.header.set_slope_inter(0.5, 10.0)
    nib.save(image, tmp_path / "a.nii")
    cine = read_nifti(tmp_path / "a.nii")
    assert cine.array.dtype == np.float32
    raw = np.asarray(nib.load(tmp_path / "a.nii").dataobj.get_unscaled())
    np.testing.assert_allclose(cine.array[0], raw * 0.5 + 10.0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64, ">i2"])
def test_types(tmp_path: Path, dtype: type) -> None:
    cine = read_nifti(save(tmp_path / "a.nii", counted(2, 2, 2).astype(dtype)))
    wanted = np.dtype(np.float32) if np.dtype(dtype).kind == "f" else np.dtype(dtype).newbyteorder("=")
    assert cine.array.dtype == wanted
    np.testing.assert_array_equal(cine.array[0], counted(2, 2, 2))


def test_version_2_is_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(counted(2, 3, 4), OBLIQUE), tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii").array.shape == (1, 2, 3, 4)


@pytest.mark.parametrize("shape", [(4, 4), (2, 2, 2, 2, 2)])
def test_refuses_other_numbers_of_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(HeaderError, match=r"3D .* or 4D"):
        read_nifti(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("stored", "read", "axes"),
    [
        ((3, 4, 2, 1, 5), (5, 3, 4, 2), 4),
        ((3, 4, 2, 5, 1), (5, 3, 4, 2), 4),
        ((3, 4, 2, 1, 1, 5), (5, 3, 4, 2), 4),
        ((3, 4, 2, 5, 1, 1, 1), (5, 3, 4, 2), 4),
        ((3, 4, 2, 1, 1), (1, 3, 4, 2), 4),
        ((3, 4, 2, 1), (1, 3, 4, 2), 4),
        ((3, 4, 1, 5), (5, 3, 4, 1), 4),
    ],
)
def test_axes_of_length_1_hold_nothing(tmp_path: Path, stored: tuple, read: tuple, axes: int) -> None:
    array = counted(*stored)
    nib.save(nib.Nifti1Image(array, OBLIQUE), tmp_path / "a.nii.gz")
    cine = read_nifti(tmp_path / "a.nii.gz")
    assert cine.array.shape == read
    np.testing.assert_array_equal(cine.array, np.moveaxis(array.reshape(*read[1:], read[0]), -1, 0))
    assert cine.n_axes == axes
    assert read_nifti_grid(tmp_path / "a.nii.gz").shape == read[1:]


def test_two_long_axes_behind_the_third_are_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(counted(3, 4, 2, 5, 2), OBLIQUE), tmp_path / "a.nii")
    with pytest.raises(HeaderError, match=r"3D .* or 4D .* \(3, 4, 2, 5, 2\)"):
        read_nifti(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("n", "intent", "is_read"), [(3, 1007, False), (6, 1005, False), (25, 1007, True), (3, 0, True)]
)
def test_vectors_are_no_phases(tmp_path: Path, n: int, intent: int, is_read: bool) -> None:
    image = nib.Nifti1Image(counted(3, 4, 2, 1, n), OBLIQUE)
    image.header["intent_code"] = intent
    nib.save(image, tmp_path / "a.nii")
    if is_read:
        assert read_nifti(tmp_path / "a.nii").n_phases == n
    else:
        with pytest.raises(UnreadableError, match=f"vectors of {n}"):
            read_nifti(tmp_path / "a.nii")


def test_what_float32_cannot_hold_becomes_infinite_without_a_warning(tmp_path: Path) -> None:
    array = np.full((2, 2, 2), 1e300)
    cine = read_nifti(save(tmp_path / "a.nii", array))
    assert np.isinf(cine.array).all()


def test_refuses_colours_and_complex_numbers(tmp_path: Path) -> None:
    colour = np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, np.eye(4)), tmp_path / "a.nii")
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4)), tmp_path / "b.nii")
    with pytest.raises(UnreadableError, match="RGB"):
        read_nifti(tmp_path / "a.nii")
    with pytest.raises(UnreadableError, match="complex"):
        read_nifti(tmp_path / "b.nii")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kept", [0, 10, 0.3, 0.9])
def test_truncated_files_are_named(tmp_path: Path, name: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 3000, (20, 20, 20), dtype=np.int16)
    path = save(tmp_path / name, noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    with pytest.raises(UnreadableError, match=rf"truncated.*{name}\]"):
        read_nifti(path)


def test_corrupt_and_foreign_files_are_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 3000, (20, 20, 20), dtype=np.int16)
    path = save(tmp_path / "a.nii.gz", noise)
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF  # the checksum
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=r"a\.nii\.gz\]"):
        read_nifti(path)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(b"no image" * 100))
    with pytest.raises(UnreadableError, match="not NIfTI"):
        read_nifti(tmp_path / "b.nii.gz")
    with pytest.raises(UnreadableError, match="there is none"):
        read_nifti(tmp_path / "c.nii.gz")
    with pytest.raises(UnreadableError, match="must be named"):
        read_nifti(tmp_path / "c.mgz")


def test_names() -> None:
    assert [is_nifti(name) for name in ("A.NII.GZ", "a.nii", "a.nii.txt", "nii")] == [True, True, False, False]


def test_every_acdc_header_is_repaired(cmr_data: Path) -> None:
    paths = sorted((cmr_data / "acdc").glob("patient*/*.nii.gz"))
    spacings = np.array([read_nifti_grid(path).spacing_mm for path in paths])
    stated = np.array([nib.load(path).header.get_zooms()[:3] for path in paths])
    assert len(paths) >= 400
    np.testing.assert_allclose(spacings, stated, rtol=1e-6)
    assert (spacings[:, 2] >= 5).all()
    assert (spacings[:, :2] < 2).all()


def test_acdc_volumes_are_physiological(cmr_data: Path) -> None:
    # A dilated heart (group DCM): 295.5 ml at end-diastole by the true spacing, 12.1 ml by the sform as stored.
    folder = cmr_data / "acdc" / "patient001"
    volumes = []
    for frame in ("01", "12"):
        label = read_label(folder / f"patient001_frame{frame}_gt.nii.gz", scheme="acdc")
        assert "contradicts itself" in label.notes[0]
        volumes.append(float((label.array == 1).sum() * label.grid.voxel_volume_ml))
    assert volumes[0] == pytest.approx(295.5, abs=0.1)
    assert 0 < volumes[1] < volumes[0]
    assert 10 < 100 * (1 - volumes[1] / volumes[0]) < 40


def test_acdc_patient090_is_uint8(cmr_data: Path) -> None:
    folder = cmr_data / "acdc" / "patient090"
    cine = read_nifti(folder / "patient090_frame04.nii.gz")
    assert cine.array.dtype == np.uint8
    whole = read_nifti(folder / "patient090_4d.nii.gz")
    assert whole.array.shape == (12, 154, 224, 7)
    assert whole.times_ms is None
    assert len(whole.notes) == 2


def refusal(path: Path) -> str:
    """What is said of a file that is refused, without its name, which must be there."""
    with pytest.raises((HeaderError, UnreadableError)) as caught:
        read_nifti(path)
    assert caught.value.path == path
    return str(caught.value).removesuffix(f" [{path}]")


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((4, 4), np.uint8), "an image must be 3D (X, Y, Z) or 4D (X, Y, Z, T), got shape (4, 4)"),
        (
            np.zeros((2, 2, 2, 2, 2), np.uint8),
            "an image must be 3D (X, Y, Z) or 4D (X, Y, Z, T), got shape (2, 2, 2, 2, 2)",
        ),
        (
            np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]),
            "pixels must be real numbers, got RGB colours; export a magnitude image",
        ),
        (
            np.zeros((2, 2, 2), np.complex64),
            "pixels must be real numbers, got complex numbers; export a magnitude image",
        ),
    ],
)
def test_refusals_in_full(tmp_path: Path, array: np.ndarray, told: str) -> None:
    nib.save(nib.Nifti1Image(array, OBLIQUE), tmp_path / "a.nii")
    assert refusal(tmp_path / "a.nii") == told
    if "shape" in told:
        for read in (nifti_shape, read_nifti_grid):
            with pytest.raises(HeaderError, match=r"got shape .* \[.*a\.nii\]"):
                read(str(tmp_path / "a.nii"))


def overwritten(path: Path, place: int, value: bytes) -> Path:
    content = bytearray(path.read_bytes())
    content[place : place + len(value)] = value
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize(
    ("dim", "told"),
    [
        ([-1, 3, 4, 5, 1, 1, 1, 1], "got shape ()"),
        ([0, 3, 4, 5, 1, 1, 1, 1], "got shape ()"),
        ([3, 3, 0, 5, 1, 1, 1, 1], "got shape (3, 0, 5)"),
        ([4, 3, 4, 5, 0, 1, 1, 1], "got shape (3, 4, 5, 0)"),
        ([3, 3, 4, -5, 1, 1, 1, 1], "got shape (3, 4, -5)"),
    ],
)
def test_numbers_of_voxels_that_are_none(tmp_path: Path, dim: list[int], told: str) -> None:
    path = overwritten(save(tmp_path / "a.nii", counted(3, 4, 5)), 40, np.array(dim, "<i2").tobytes())
    assert refusal(path) == f"an image must be 3D (X, Y, Z) or 4D (X, Y, Z, T), {told}"


def test_a_type_that_nifti_does_not_know(tmp_path: Path) -> None:
    path = overwritten(save(tmp_path / "a.nii", counted(3, 4, 5)), 70, np.int16(999).tobytes())
    assert refusal(path).startswith("the file's data type is unknown to NIfTI (")


@pytest.mark.parametrize(("n", "refused"), [(1, False), (2, True), (9, True), (10, False)])
def test_two_to_nine_values_are_a_vector(tmp_path: Path, n: int, refused: bool) -> None:
    image = nib.Nifti1Image(counted(3, 4, 2, 1, n), OBLIQUE)
    image.header["intent_code"] = 1007
    nib.save(image, tmp_path / "a.nii")
    if refused:
        assert refusal(tmp_path / "a.nii") == f"pixels must be one real number each, got vectors of {n}"
    else:
        assert read_nifti(tmp_path / "a.nii").n_phases == n


def test_an_intent_of_vectors_is_of_no_account_without_a_fifth_axis(tmp_path: Path) -> None:
    image = nib.Nifti1Image(counted(3, 4, 2, 3), OBLIQUE)
    image.header["intent_code"] = 1007
    image.header["dim"][5] = 3
    nib.save(image, tmp_path / "a.nii")
    overwritten(tmp_path / "a.nii", 50, np.int16(3).tobytes())  # behind the axes that there are
    assert read_nifti(tmp_path / "a.nii").n_phases == 3


def test_the_rule_for_acdc_may_be_left_out_of_both_readers(tmp_path: Path) -> None:
    image = nib.Nifti1Image(counted(3, 4, 2), None)
    image.header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), code=2)
    image.header["qform_code"] = 0
    image.header["pixdim"][1:4] = 1.5, 1.5, 8.0
    nib.save(image, tmp_path / "a.nii")
    path = overwritten(tmp_path / "a.nii", 252, np.array([0, 2], "<i2").tobytes())
    overwritten(path, 76, np.array([1, 1.5, 1.5, 8], "<f4").tobytes())
    assert read_nifti(path).grid.spacing_mm == read_nifti_grid(path).spacing_mm == (1.5, 1.5, 8.0)
    for read in (read_nifti, read_nifti_grid):
        with pytest.raises(HeaderError, match=r"must state one spacing.*\[.*a\.nii\]"):
            read(path, repair=None)


def test_all_that_is_doubtful_is_told_in_order(tmp_path: Path) -> None:
    """Of the affine, of what follows the voxels, of times, of slices."""
    image = nib.Nifti1Image(np.zeros((9, 9, 9, 2), np.uint8), None)
    path = tmp_path / "a.nii"
    nib.save(image, path)
    path.write_bytes(path.read_bytes() + b"more")
    cine = read_nifti(path)
    assert cine.notes == (
        "neither sform nor qform is coded: spacing is pixdim's, position and orientation are unknown",
        "4 bytes follow the voxels and are passed over",
        "times of the phases are unknown: the header states no unit of time; a heart rate given (`--heart-rate`) "
        "stands in for them",
        "the slice axis cannot be told from 9 x 9 x 9 voxels of nearly equal spacing: the last axis is taken",
    )
    assert (cine.slice_axis, cine.stored_axes) == (2, 4)


def test_slices_along_the_first_axis_are_moved_last(tmp_path: Path) -> None:
    array = counted(2, 4, 3)
    path = save(tmp_path / "a.nii", array, affine=np.diag([8.0, 1.5, 1.5, 1.0]))
    cine = read_nifti(path)
    np.testing.assert_array_equal(cine.array[0], array.transpose(1, 2, 0))
    assert (cine.slice_axis, cine.stored_axes, nifti_shape(path)) == (0, 3, (2, 4, 3))
    assert read_nifti_grid(path).matches(cine.grid)
    assert read_nifti_grid(path).shape == (4, 3, 2)


def test_an_array_is_contiguous_and_in_the_machine_s_order(tmp_path: Path) -> None:
    array = read_nifti(save(tmp_path / "a.nii", counted(3, 4, 2, 5).astype(">i2"))).array
    assert (array.flags.c_contiguous, array.dtype.isnative) == (True, True)
