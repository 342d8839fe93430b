"""MetaImage and NRRD: arrays, places, times, and what ITK would let pass."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.read.itk import read_itk
from pipeline.read.itk_headers import itk_files, itk_header

ARRAY = np.arange(25 * 3 * 4 * 2, dtype=np.int16).reshape(25, 3, 4, 2)
"""(T, X, Y, Z)."""

TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
RAS = np.array([[-1.2, 0.72, 0.0, -10.0], [-0.9, -0.96, 0.0, -20.0], [0.0, 0.0, 8.0, 30.0], [0, 0, 0, 1]])
"""`TURN` by spacing (1.5, 1.2, 8) at (10, 20, 30), first and second row turned from LPS+ to RAS+."""

NRRD = """NRRD0005
type: short
dimension: 4
space: {space}
sizes: {sizes}
space directions: {directions}
kinds: {kinds}
endian: little
encoding: {encoding}
space origin: (-10,-20,30)
{more}
"""
COLUMNS = "(-1.2,-0.9,0) (0.72,-0.96,0) (0,0,8)"


def save(path: Path, array: np.ndarray = ARRAY, *, step: float = 40.0) -> Path:
    """Write (T, X, Y, Z) by ITK: 3D where T is 1."""
    n_axes = 3 if len(array) == 1 else 4
    volume = array[0].transpose(2, 1, 0) if n_axes == 3 else array.transpose(0, 3, 2, 1)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume), isVector=False)
    direction = np.eye(n_axes)
    direction[:3, :3] = TURN
    image.SetDirection(direction.ravel().tolist())
    image.SetSpacing((1.5, 1.2, 8.0, step)[:n_axes])
    image.SetOrigin((10.0, 20.0, 30.0, 0.0)[:n_axes])
    sitk.WriteImage(image, str(path))
    return path


def slicer(path: Path, *, more: str = "", listed_last: bool = False, encoding: str = "raw", kind: str = "list") -> Path:
    """Write a cine as 3D Slicer does: phases as the values of one voxel, RAS."""
    axes, voxels = ("3 4 2", ARRAY.transpose(3, 2, 1, 0)) if not listed_last else ("3 4 2", ARRAY.transpose(0, 3, 2, 1))
    parts = [("25", "none", kind), (axes, COLUMNS, "domain domain domain")]
    sizes, directions, kinds = (" ".join(words) for words in zip(*(parts[::-1] if listed_last else parts), strict=True))
    header = NRRD.format(
        space="right-anterior-superior", sizes=sizes, directions=directions, kinds=kinds, encoding=encoding, more=more
    )
    data = np.ascontiguousarray(voxels).astype("<i2").tobytes()
    path.write_bytes(header.encode() + (gzip.compress(data) if encoding == "gzip" else data))
    return path


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd", "a.nhdr"])
def test_a_cine_in_its_place(tmp_path: Path, name: str) -> None:
    cine = read_itk(save(tmp_path / name))
    np.testing.assert_array_equal(cine.array, ARRAY)
    assert cine.array.dtype == np.int16
    np.testing.assert_allclose(cine.grid.affine, RAS, atol=1e-9)
    assert cine.times_ms == pytest.approx([40.0 * phase for phase in range(25)])
    assert cine.n_axes == 4
    assert "by the beat that it gives, it is 40 ms" in cine.notes[0]  # these formats state no unit of time


@pytest.mark.parametrize(("written", "name"), [("a.mha", "A.MHA"), ("a.nrrd", "A.NRRD")])
def test_capitals(tmp_path: Path, written: str, name: str) -> None:
    np.testing.assert_array_equal(read_itk(save(tmp_path / written).rename(tmp_path / name)).array, ARRAY)


def test_seconds_and_a_volume(tmp_path: Path) -> None:
    assert read_itk(save(tmp_path / "a.mha", step=0.04)).times_ms[1] == pytest.approx(40.0)
    volume = read_itk(save(tmp_path / "b.nrrd", ARRAY[3:4]))
    np.testing.assert_array_equal(volume.array, ARRAY[3:4])
    np.testing.assert_allclose(volume.grid.affine, RAS, atol=1e-9)
    assert (volume.times_ms, volume.notes, volume.n_axes) == (None, (), 3)


def test_itk_and_nibabel_see_one_place(tmp_path: Path) -> None:
    from pipeline.read.nifti import read_nifti

    save(tmp_path / "a.nii.gz")
    for name in ("a.mha", "a.nrrd"):
        assert read_itk(save(tmp_path / name)).grid.matches(read_nifti(tmp_path / "a.nii.gz").grid)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64, np.float32])
def test_integers_stay_and_the_rest_is_float32(tmp_path: Path, dtype: type) -> None:
    cine = read_itk(save(tmp_path / "a.nrrd", ARRAY[:2].astype(dtype)))
    assert cine.array.dtype == (np.float32 if np.dtype(dtype).kind == "f" else dtype)
    np.testing.assert_array_equal(cine.array, ARRAY[:2].astype(dtype))


TIMES = "MultiVolume.FrameLabels:=" + ",".join(str(38 * phase) for phase in range(25))


@pytest.mark.parametrize("listed_last", [False, True])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_a_slicer_sequence_has_its_phases_in_its_voxels(tmp_path: Path, listed_last: bool, encoding: str) -> None:
    unit = "MultiVolume.FrameIdentifyingDICOMTagUnits:=ms"
    cine = read_itk(slicer(tmp_path / "a.nrrd", more=f"{TIMES}\n{unit}\n", listed_last=listed_last, encoding=encoding))
    np.testing.assert_array_equal(cine.array, ARRAY)
    np.testing.assert_allclose(cine.grid.affine, RAS @ np.diag([1, 1, 1, 1]), atol=1e-9)
    assert cine.times_ms[:3] == (0.0, 38.0, 76.0)
    assert cine.notes == ()
    assert cine.n_axes == 4


@pytest.mark.parametrize("more", ["", "axis 0 index values:=0 1 2 3", "MultiVolume.FrameLabels:=a,b"])
def test_phases_without_times_are_phases(tmp_path: Path, more: str) -> None:
    cine = read_itk(slicer(tmp_path / "a.nrrd", more=more and more + "\n"))
    assert (cine.n_phases, cine.times_ms) == (25, None)
    assert "unknown" in cine.notes[0]


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
@pytest.mark.parametrize(("kind", "n_notes"), [("time", 0), ("domain", 0), ("???", 0)])
@pytest.mark.parametrize("time_first", [False, True])
def test_time_without_a_direction_in_space(
    tmp_path: Path, name: str, kind: str, n_notes: int, time_first: bool
) -> None:
    """ITK refuses what other writers of NRRD, as pynrrd, make of a cine."""
    time, space = ["25", "none", kind, "38", '"ms"'], ["3 4 2", COLUMNS, 3 * f"{kind} ", "nan nan nan", 3 * '"mm" ']
    space[2] = "space space space"
    parts = zip(*((time, space) if time_first else (space, time)), strict=True)
    sizes, directions, kinds, spacings, units = (" ".join(words) for words in parts)
    more = f"spacings: {spacings}\nunits: {units}\n"
    voxels = ARRAY.transpose(3, 2, 1, 0) if time_first else ARRAY.transpose(0, 3, 2, 1)
    if name == "a.nhdr":
        more += "data file: a.raw\n"
        (tmp_path / "a.raw").write_bytes(voxels.astype("<i2").tobytes())
    header = NRRD.format(
        space="right-anterior-superior", sizes=sizes, directions=directions, kinds=kinds, encoding="raw", more=more
    )
    (tmp_path / name).write_bytes(header.encode() + (voxels.astype("<i2").tobytes() if name == "a.nrrd" else b""))
    cine = read_itk(tmp_path / name)
    np.testing.assert_array_equal(cine.array, ARRAY)
    np.testing.assert_allclose(cine.grid.affine, RAS, atol=1e-9)
    assert cine.times_ms[:3] == (0.0, 38.0, 76.0)
    assert len(cine.notes) == n_notes


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize(
    ("space", "abbreviated", "to_ras"),
    [
        ("right-anterior-superior", "RAS", (1, 1, 1)),
        ("left-anterior-superior", "LAS", (-1, 1, 1)),
        ("left-posterior-superior", "LPS", (-1, -1, 1)),
    ],
)
def test_every_space_becomes_ras(
    tmp_path: Path, space: str, abbreviated: str, to_ras: tuple[int, ...], timed: bool
) -> None:
    """ITK turns these, but not where time is one of their axes."""
    n_axes = 4 if timed else 3
    for name in (f"{space}-time" if timed else space, abbreviated + "T" * timed):
        columns = np.diag((1.5, 1.2, 8.0, 40.0))[:n_axes, :n_axes]
        directions = " ".join("({})".format(",".join(map(str, column))) for column in columns)
        header = (
            f"NRRD0005\ntype: short\ndimension: {n_axes}\nspace: {name}\nsizes: {'3 4 2 25' if timed else '3 4 2'}\n"
            f"space directions: {directions}\nendian: little\nencoding: raw\n"
            f"space origin: ({'10,20,30,0' if timed else '10,20,30'})\n\n"
        )
        (tmp_path / "a.nrrd").write_bytes(header.encode() + bytes(2 * 24 * (25 if timed else 1)))
        cine = read_itk(tmp_path / "a.nrrd")
        stated = np.diag((1.5, 1.2, 8.0, 1.0))
        stated[:3, 3] = 10.0, 20.0, 30.0
        np.testing.assert_allclose(cine.grid.affine, np.diag((*to_ras, 1)) @ stated)
        assert not any("sides" in note for note in cine.notes)


def test_a_space_that_is_not_the_patients_is_noted(tmp_path: Path) -> None:
    header = NRRD.format(
        space="scanner-xyz", sizes="3 4 2", directions=COLUMNS, kinds="domain domain domain", encoding="raw", more=""
    )
    (tmp_path / "a.nrrd").write_bytes(header.replace("dimension: 4", "dimension: 3").encode() + bytes(48))
    assert "names 'scanner-xyz'" in read_itk(tmp_path / "a.nrrd").notes[0]


def test_values_that_are_no_phases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="one real number, got 25"):
        read_itk(slicer(tmp_path / "a.nrrd", kind="vector"))
    colours = sitk.GetImageFromArray(np.zeros((2, 4, 3, 3), np.uint8), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "b.mha"))
    with pytest.raises(UnreadableError, match="one real number, got 3"):
        read_itk(tmp_path / "b.mha")
    complexes = sitk.GetImageFromArray(np.zeros((2, 4, 3), np.complex64))
    sitk.WriteImage(complexes, str(tmp_path / "c.mha"))
    with pytest.raises(UnreadableError, match=r"real number.*\[.*c\.mha\]"):
        read_itk(tmp_path / "c.mha")


def rewritten(path: Path, old: str, new: str) -> Path:
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))
    return path


def test_spacing_is_stated_or_refused(tmp_path: Path) -> None:
    rewritten(save(tmp_path / "a.mha"), "ElementSpacing = 1.5 1.2 8 40\n", "")
    with pytest.raises(HeaderError, match="must state its spacing"):
        read_itk(tmp_path / "a.mha")
    bare = "NRRD0004\ntype: short\ndimension: 3\nsizes: 3 4 2\nendian: little\nencoding: raw\n"
    (tmp_path / "b.nrrd").write_bytes(bare.encode() + b"\n" + bytes(48))
    with pytest.raises(HeaderError, match="must state its spacing"):
        read_itk(tmp_path / "b.nrrd")
    stated = bare + "spacings: 1.5 1.2 8\n"
    (tmp_path / "c.nrrd").write_bytes(stated.encode() + b"\n" + bytes(48))
    assert read_itk(tmp_path / "c.nrrd").grid.spacing_mm == pytest.approx((1.5, 1.2, 8.0))
    metres = stated + 'units: "m" "m" "m"\n'
    (tmp_path / "d.nrrd").write_bytes(metres.encode() + b"\n" + bytes(48))
    with pytest.raises(HeaderError, match="must be mm"):
        read_itk(tmp_path / "d.nrrd")


def test_units_of_time_are_taken_where_stated(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: short\ndimension: 4\nsizes: 3 4 2 25\nspacings: 1.5 1.2 8 0.04\n"
        'units: "mm" "mm" "mm" "s"\nendian: little\nencoding: raw\n\n'
    )
    (tmp_path / "a.nrrd").write_bytes(header.encode() + ARRAY.transpose(0, 3, 2, 1).astype("<i2").tobytes())
    cine = read_itk(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(cine.array, ARRAY)
    assert cine.times_ms[1] == pytest.approx(40.0)
    assert len(cine.notes) == 1
    assert "the header names none: sides may be wrong" in cine.notes[0]
    time_first = header.replace("sizes: 3 4 2 25", "sizes: 25 3 4 2\nkinds: time space space space")
    (tmp_path / "b.nrrd").write_bytes(time_first.encode() + bytes(1200))
    with pytest.raises(HeaderError, match="time must be the last axis"):
        read_itk(tmp_path / "b.nrrd")


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.mhd", "a.nhdr"])
def test_truncated_and_foreign_files_are_named(tmp_path: Path, name: str, capfd: pytest.CaptureFixture) -> None:
    path = save(tmp_path / name)
    voxels = itk_files(path)[-1]
    whole = voxels.read_bytes()
    voxels.write_bytes(whole[:-20])
    with pytest.raises(UnreadableError, match=rf"truncated or corrupt.*\[.*{name}\]") as caught:
        read_itk(path)
    assert "\n" not in str(caught.value)
    path.write_text("<html>Sign in</html>")
    with pytest.raises(UnreadableError, match=rf"truncated or not .*\[.*{name}\]"):
        read_itk(path)
    path.unlink()
    with pytest.raises(UnreadableError, match=r"No such file"):
        read_itk(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.raw", "LIST", "a%03d.raw 1 2 1", "gone.raw"])
def test_voxels_lie_in_one_file_beside_the_header(tmp_path: Path, name: str) -> None:
    for header, key in (("a.mhd", "ElementDataFile = a.raw"), ("a.nhdr", "data file: a.raw")):
        save(tmp_path / header)
        rewritten(tmp_path / header, key, key.replace("a.raw", name))
        with pytest.raises(UnreadableError, match="beside their header"):
            read_itk(tmp_path / header)


def test_header_fields() -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        itk_header(Path("nowhere.mha"))


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.mhd", "a.nhdr"])
def test_a_few_bytes_behind_the_voxels_are_told_and_a_picture_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name)
    *_, data = itk_files(path)
    picture = 3 * 4 * 2  # bytes
    with data.open("ab") as file:
        file.write(bytes(picture - 1))
    assert f"{picture - 1} bytes follow the voxels and are passed over" in read_itk(path).notes
    with data.open("ab") as file:
        file.write(bytes(1))
    with pytest.raises(UnreadableError, match="a whole picture's bytes or more follow"):
        read_itk(path)


def test_a_picture_of_phases_in_a_list_has_all_of_them(tmp_path: Path) -> None:
    path = slicer(tmp_path / "a.nrrd")
    content = path.read_bytes()
    path.write_bytes(content + bytes(3 * 4 * 25 * 2 - 1))
    assert "599 bytes follow the voxels and are passed over" in read_itk(path).notes
    path.write_bytes(content + bytes(3 * 4 * 25 * 2))
    with pytest.raises(UnreadableError, match="a whole picture's bytes or more follow"):
        read_itk(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("NDims = 4", "NDims = 3", "one size an axis, got 4 of 3 axes"),
        ("DimSize = 3 4 2 25", "DimSize = 3 4 2", "one size an axis, got 3 of 4 axes"),
        ("DimSize = 3 4 2 25", "DimSize = 3 4 0 25", "positive whole numbers, the header states '3 4 0 25'"),
        ("DimSize = 3 4 2 25", "DimSize = 3 4 -2 25", "positive whole numbers, the header states '3 4 -2 25'"),
        ("DimSize = 3 4 2 25", "DimSize = 3 4 1e3 25", "positive whole numbers, the header states '3 4 1e3 25'"),
        ("DimSize = 3 4 2 25", "DimSize = 3 4 9999999999999999999 25", "positive whole numbers"),
        ("NDims = 4", "NDims = four", "positive whole numbers"),
    ],
)
def test_sizes_at_which_itk_would_end_the_process(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = save(tmp_path / "a.mha")
    assert old.encode() in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
    with pytest.raises(UnreadableError, match=told):
        read_itk(path)


def refusal(path: Path) -> str:
    """What is said of a file that is refused, without its name, which must be there."""
    with pytest.raises((HeaderError, UnreadableError)) as caught:
        read_itk(path)
    assert str(caught.value).endswith(f" [{path}]")
    return str(caught.value).removesuffix(f" [{path}]")


def written(path: Path, array: np.ndarray, *, spacing: tuple[float, ...], origin: tuple[float, ...] = ()) -> Path:
    """Write an array, axes in reverse order, along LPS+."""
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing(spacing)
    image.SetOrigin(origin or (0.0,) * len(spacing))
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize(("row", "column"), [(0, 3), (2, 3), (3, 0), (3, 2)])
def test_space_that_leans_into_time_is_refused(tmp_path: Path, row: int, column: int) -> None:
    image = sitk.GetImageFromArray(np.zeros((5, 2, 4, 3), np.int16), isVector=False)
    direction = np.eye(4)
    direction[row, column] = 0.5
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    told = f"axes of space must not lean into time, got directions {direction.tolist()}"
    assert refusal(tmp_path / "a.mha") == told


def test_voxels_of_no_size_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mha", np.zeros((2, 4, 3), np.int16), spacing=(1e-4, 1e-4, 0.05))
    affine = [[1e-4, 0.0, 0.0, 0.0], [0.0, 1e-4, 0.0, 0.0], [0.0, 0.0, 0.05, 0.0], [0.0, 0.0, 0.0, 1.0]]
    assert refusal(path) == f"the affine must be finite and invertible, got {affine}"
    assert read_itk(written(path, np.zeros((2, 4, 3), np.int16), spacing=(1e-3, 1e-3, 0.05))).array.size == 24


@pytest.mark.parametrize("shape", [(4, 3), (2, 2, 2, 4, 3)])
def test_other_numbers_of_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = written(tmp_path / "a.mha", np.zeros(shape, np.int16), spacing=(1.5,) * len(shape))
    assert refusal(path) == f"an image must be 3D (X, Y, Z) or 4D (X, Y, Z, T), got shape {shape[::-1]}"


@pytest.mark.parametrize(
    ("shape", "times_ms"),
    [((25, 1, 2, 4, 3), (7.0, 47.0, 87.0)), ((1, 25, 2, 4, 3), (5.0, 35.0, 65.0)), ((1, 1, 2, 4, 3), None)],
)
def test_phases_are_along_the_only_long_axis_behind_the_third(
    tmp_path: Path, shape: tuple[int, ...], times_ms: tuple[float, ...] | None
) -> None:
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    spacing, origin = (1.5, 1.2, 8.0, 30.0, 40.0), (0.0, 0.0, 0.0, 5.0, 7.0)
    cine = read_itk(written(tmp_path / "a.mha", array, spacing=spacing, origin=origin))
    np.testing.assert_array_equal(cine.array, array.reshape(-1, 2, 4, 3).transpose(0, 3, 2, 1))
    assert (cine.times_ms and cine.times_ms[:3]) == times_ms


def test_the_slices_are_last_wherever_they_were(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    cine = read_itk(written(tmp_path / "a.mha", array, spacing=(8.0, 1.5, 1.2)))
    np.testing.assert_array_equal(cine.array[0], array.transpose(1, 0, 2))  # (Y, Z, X)
    assert (cine.slice_axis, cine.n_axes, cine.notes) == (0, 3, ())
    assert cine.grid.affine.tolist() == [[0, 0, -8.0, 0], [-1.5, 0, 0, 0], [0, 1.2, 0, 0], [0, 0, 0, 1]]
    assert "-0.0" not in str(cine.grid.affine.tolist())


def test_what_float32_cannot_hold_becomes_infinite_without_a_warning(tmp_path: Path) -> None:
    cine = read_itk(written(tmp_path / "a.mha", np.full((2, 4, 3), 1e300), spacing=(1.5, 1.2, 8.0)))
    assert (cine.array.dtype, bool(np.isinf(cine.array).all())) == (np.float32, True)


def test_a_metaimage_may_call_its_spacing_the_size_of_its_elements(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mha", ARRAY[:1])
    assert read_itk(rewritten(path, "ElementSpacing", "ElementSize")).grid.spacing_mm == pytest.approx((1.5, 1.2, 8.0))


def test_all_doubts_are_told_in_order(tmp_path: Path) -> None:
    """Of its times, of what follows the voxels, of its sides, of its slices."""
    header = (
        "NRRD0004\ntype: uchar\ndimension: 4\nsizes: 9 9 9 25\nspacings: 1 1 1 40\nspace dimension: 4\n"
        "endian: little\nencoding: raw\n\n"
    )
    (tmp_path / "a.nrrd").write_bytes(header.replace("space dimension: 4\n", "").encode() + bytes(9**3 * 25 + 5))
    cine = read_itk(tmp_path / "a.nrrd")
    assert cine.notes == (
        "the header has a time step of 40 without a unit; by the beat that it gives, it is 40 ms",
        "5 bytes follow the voxels and are passed over",
        "the space of the axes is taken for LPS+, the header names none: sides may be wrong",
        "the slice axis cannot be told from 9 x 9 x 9 voxels of nearly equal spacing: the last axis is taken",
    )
    assert np.diag(cine.grid.affine).tolist() == [-1.0, -1.0, 1.0, 1.0]


BARE = "NRRD0004\ntype: short\ndimension: 3\nsizes: 3 4 2\nspacings: 1.5 1.2 8\n{}endian: little\nencoding: raw\n\n"


def bare(path: Path, more: str) -> Path:
    path.write_bytes(BARE.format(more).encode() + bytes(48))
    return path


@pytest.mark.parametrize("units", ['"mm" "mm" "mm"', '"" "" ""', '"???" "mm" ""'])
def test_a_length_in_mm_or_in_nobody_says_what(tmp_path: Path, units: str) -> None:
    assert read_itk(bare(tmp_path / "a.nrrd", f"units: {units}\n")).grid.spacing_mm == pytest.approx((1.5, 1.2, 8.0))


def test_spacings_that_are_none_are_refused_in_full(tmp_path: Path) -> None:
    told = "the unit of length must be mm (or unknown, taken as mm), got mm, mm, cm"
    assert refusal(bare(tmp_path / "a.nrrd", 'units: "mm" "mm" "cm"\n')) == told
    path = rewritten(bare(tmp_path / "b.nrrd", ""), "spacings: 1.5 1.2 8\n", "")
    assert refusal(path) == "an image must state its spacing in mm, got none, and ITK would take 1 for it"
    path = rewritten(save(tmp_path / "c.mha"), "ElementSpacing", "Spacings")
    assert refusal(path) == "an image must state its spacing in mm, got none, and ITK would take 1 for it"


@pytest.mark.parametrize("kinds", ["time space space", "space time space", "space space time"])
def test_time_among_the_first_three_axes_is_refused(tmp_path: Path, kinds: str) -> None:
    told = f"time must be the last axis, got axes of the kinds {kinds}"
    assert refusal(bare(tmp_path / "a.nrrd", f"kinds: {kinds}\n")) == told


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ('units: "mm" "mm" "mm" "ms"', None),
        ('units: "mm" "mm" "mm" "msec"', None),
        ('units: "mm" "mm" "mm" "s"', "s"),  # by the beat it is ms
        ('units: "mm" "mm" "mm" "h"', "without a unit"),
        ("number: 0", "without a unit"),
    ],
)
def test_a_step_of_40_and_its_unit(tmp_path: Path, units: str, told: str | None) -> None:
    header = (
        "NRRD0004\ntype: short\ndimension: 4\nsizes: 3 4 2 25\nspacings: 1.5 1.2 8 40\n"
        f"kinds: space space space time\n{units}\nendian: little\nencoding: raw\n\n"
    )
    (tmp_path / "a.nrrd").write_bytes(header.encode() + ARRAY.transpose(0, 3, 2, 1).astype("<i2").tobytes())
    cine = read_itk(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(cine.array, ARRAY)
    assert cine.times_ms is not None
    assert cine.times_ms[:3] == (0.0, 40.0, 80.0)
    *about_times, _ = cine.notes
    read = f"the header has a time step of 40 {told}; by the beat that it gives, it is 40 ms"
    assert about_times == ([] if told is None else [read])


@pytest.mark.parametrize("between", [",", ";", " ", ", ", " ; "])
def test_times_of_a_list_may_be_divided_by_anything(tmp_path: Path, between: str) -> None:
    listed = between.join(str(0.038 * phase + 0.01) for phase in range(25))
    more = f"MultiVolume.FrameLabels:= {listed} \nMultiVolume.FrameIdentifyingDICOMTagUnits:=s\n"
    cine = read_itk(slicer(tmp_path / "a.nrrd", more=more))
    assert cine.times_ms is not None
    assert cine.times_ms[:3] == pytest.approx((10.0, 48.0, 86.0))
    assert cine.notes == ()


def test_values_of_the_list_s_axis_are_times_as_well(tmp_path: Path) -> None:
    listed = " ".join(str(38 * phase) for phase in range(25))
    cine = read_itk(slicer(tmp_path / "a.nrrd", more=f"axis 0 index values:={listed}\n"))
    assert cine.times_ms is not None
    assert cine.times_ms[:3] == (0.0, 38.0, 76.0)
    assert cine.notes == ("the header has a time step of 38 without a unit; by the beat that it gives, it is 38 ms",)


def test_phases_that_are_counted_alone_have_no_times(tmp_path: Path) -> None:
    cine = read_itk(slicer(tmp_path / "a.nrrd"))
    assert cine.notes == (
        "times of the phases are unknown: the header states no unit of time; a heart rate given (`--heart-rate`) "
        "stands in for them",
    )


def test_values_of_a_voxel_that_are_no_phases_are_refused_in_full(tmp_path: Path) -> None:
    path = slicer(tmp_path / "a.nrrd", kind="vector")
    assert refusal(path) == "a voxel must be one real number, got 25, and no list of phases"
    image = sitk.GetImageFromArray(np.zeros((4, 3, 3), np.uint8), isVector=True)  # a picture of colours
    sitk.WriteImage(image, str(tmp_path / "b.mha"))
    assert refusal(tmp_path / "b.mha") == "a voxel must be one real number, got 3, and no list of phases"


def test_what_itk_says_of_a_file_is_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nrrd")
    path.write_bytes(path.read_bytes()[:-20])
    told = refusal(path)
    assert told.startswith("ITK cannot read the file, be it truncated or corrupt or else (")
    assert told.endswith(")")


def test_a_whole_picture_behind_the_voxels_is_refused_in_full(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mha", ARRAY[:1])
    with path.open("ab") as file:
        file.write(bytes(24))
    assert refusal(path) == (
        "a file must end behind its voxels, a whole picture's bytes or more follow: the header states fewer than "
        "there are"
    )


@pytest.mark.parametrize(("more", "told"), [("", "names none"), ("space: scanner-xyz\n", "names 'scanner-xyz'")])
def test_sides_that_nobody_states_are_taken_for_lps(tmp_path: Path, more: str, told: str) -> None:
    more += "space directions: (1.5,0,0) (0,1.2,0) (0,0,8)\n" if more else ""
    path = bare(tmp_path / "a.nrrd", more)
    if more:
        rewritten(path, "spacings: 1.5 1.2 8\n", "")
    cine = read_itk(path)
    assert cine.notes == (f"the space of the axes is taken for LPS+, the header {told}: sides may be wrong",)
    np.testing.assert_allclose(np.diag(cine.grid.affine), [-1.5, -1.2, 8.0, 1.0])
