"""What MetaImage and NRRD headers say in so many words, and where their voxels lie."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.itk_headers import (
    axis_step,
    bytes_behind,
    call_axis_a_list,
    itk_files,
    itk_header,
    phase_axis,
    stored_size,
    units_of_length,
)

META = "NDims = 3\nDimSize = 3 4 2\nElementSpacing = 1 1 8\nElementDataFile = LOCAL\n"
NRRD = "NRRD0004\n# a remark: of nobody\ndimension: 3\nsizes: 3 4 2\nencoding: raw\nkey:=value\n"
VOXELS = bytes(range(48))
PATH = Path("a.nrrd")


def _write(path: Path, text: str, voxels: bytes = b"") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("latin-1") + voxels)
    return path


def test_fields_of_a_metaimage_end_at_its_voxels(tmp_path: Path) -> None:
    fields = itk_header(_write(tmp_path / "a.MHA", META, b"Comment = of the voxels\n"))
    assert fields == {
        "ndims": "3",
        "dimsize": "3 4 2",
        "elementspacing": "1 1 8",
        "elementdatafile": "LOCAL",
        "format": "metaimage",
    }


def test_fields_of_an_nrrd_end_at_an_empty_line(tmp_path: Path) -> None:
    fields = itk_header(_write(tmp_path / "a.nrrd", NRRD + "DataFile: b.raw\n\nSpace: of the voxels\n"))
    assert fields == {
        "dimension": "3",
        "sizes": "3 4 2",
        "encoding": "raw",
        "key": "value",
        "data file": "b.raw",
        "format": "nrrd",
    }


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.mha", "DimSize = 3\nElementDataFile = LOCAL\n", "not MetaImage: its header has no ndims"),
        ("a.mhd", "NDims = 3\nElementDataFile = LOCAL\n", "not MetaImage: its header has no dimsize"),
        ("a.mha", "NDims = 3\nDimSize = 3\n", "not MetaImage: its header has no elementdatafile"),
        ("a.mha", "no field\n" + META, "not MetaImage: its header has no ndims, dimsize, elementdatafile"),
        ("a.nrrd", NRRD.replace("dimension", "dim"), "not NRRD: its header has no dimension"),
        ("a.nhdr", NRRD.replace("sizes", "size"), "not NRRD: its header has no sizes"),
        ("a.nrrd", NRRD.replace("encoding", "# encoding"), "not NRRD: its header has no encoding"),
        ("a.nrrd", NRRD.replace("NRRD0004", "NRRD"), "not NRRD: its header has no dimension, sizes, encoding"),
        ("a.nrrd", "", "not NRRD: its header has no dimension, sizes, encoding"),
    ],
)
def test_what_a_header_lacks_is_named(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = _write(tmp_path / name, text)
    with pytest.raises(UnreadableError) as caught:
        itk_header(path)
    assert str(caught.value) == f"the file is truncated or {told} [{path}]"


def test_a_header_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as caught:
        itk_header(tmp_path / "a.mha")
    assert str(caught.value) == f"an image file was expected here (No such file or directory) [{tmp_path / 'a.mha'}]"


def test_sizes_of_all_axes_and_of_a_voxel() -> None:
    meta = {"format": "metaimage", "ndims": "2", "dimsize": "12 007", "elementnumberofchannels": "3"}
    assert stored_size(meta, PATH) == (12, 7, 3)
    assert stored_size({"format": "nrrd", "dimension": "3", "sizes": "4 5 6"}, PATH) == (4, 5, 6, 1)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"dimension": "2", "sizes": "4 0"}, "sizes must be positive whole numbers, the header states '4 0'"),
        ({"dimension": "x", "sizes": "4 5"}, "sizes must be positive whole numbers, the header states '4 5'"),
        ({"dimension": "3", "sizes": "4 5"}, "a header must state one size an axis, got 2 of 3 axes"),
        (
            {"dimension": "1", "sizes": "4", "elementnumberofchannels": "0"},
            "sizes must be positive whole numbers, the header states '4'",
        ),
    ],
)
def test_sizes_that_are_none_are_refused(stated: dict[str, str], told: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        stored_size({"format": "nrrd", **stated}, PATH)
    assert str(caught.value) == f"{told} [a.nrrd]"


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_voxels_in_a_file_of_their_own(tmp_path: Path, name: str) -> None:
    def header(voxels: str) -> Path:
        meta = META.replace("LOCAL", voxels)
        return _write(tmp_path / name, meta if name == "a.mhd" else f"{NRRD}data file: {voxels}\n")

    assert itk_files(header("local")) == (tmp_path / name,)
    _write(tmp_path / "deep" / "a.raw", "")
    assert itk_files(header("deep/a.raw")) == (tmp_path / name, tmp_path / "deep" / "a.raw")
    for elsewhere in ("../a.raw", "LIST", "a%d.raw 1 2 1", "/a.raw"):
        with pytest.raises(UnreadableError) as caught:
            itk_files(header(elsewhere))
        told = f"voxels must be in one file beside their header, this one names {elsewhere!r}"
        assert str(caught.value) == f"{told} [{tmp_path / name}]"
    with pytest.raises(UnreadableError) as caught:
        itk_files(header("gone.raw"))
    told = "voxels must be in gone.raw beside their header, there is no such file"
    assert str(caught.value) == f"{told} [{tmp_path / name}]"


@pytest.mark.parametrize(
    ("name", "text", "n_behind"),
    [
        ("a.mha", META, 8),
        ("a.mha", META.replace("Element", "CompressedData = False\nElement", 1), 8),
        ("a.mha", META.replace("Element", "CompressedData = True\nElement", 1), 0),
        ("a.mha", META.replace("Element", "HeaderSize = -1\nElement", 1), 0),
        ("a.mha", META.replace("Element", "HeaderSize = 0\nElement", 1), 8),
        ("a.nrrd", NRRD + "\n", 8),
        ("a.nrrd", NRRD.replace("\n", "\r\n") + "\r\n", 8),
        ("a.nrrd", NRRD.replace("raw", "RAW") + "\n", 8),
        ("a.nrrd", NRRD.replace("raw", "gzip") + "\n", 0),
        ("a.nrrd", NRRD + "byte skip: 4\n\n", 0),
        ("a.nrrd", NRRD + "line skip: 1\n\n", 0),
    ],
)
def test_bytes_behind_the_voxels_of_the_same_file(tmp_path: Path, name: str, text: str, n_behind: int) -> None:
    path = _write(tmp_path / name, text, VOXELS)
    assert bytes_behind(itk_header(path), path, n_bytes=40) == n_behind
    assert bytes_behind(itk_header(path), path, n_bytes=49) == 0


def test_bytes_behind_the_voxels_of_another_file(tmp_path: Path) -> None:
    for name, text in (("a.mhd", META.replace("LOCAL", "a.raw")), ("a.nhdr", NRRD + "data file: a.raw\n\n")):
        _write(tmp_path / "a.raw", "", VOXELS)
        path = _write(tmp_path / name, text)
        assert bytes_behind(itk_header(path), path, n_bytes=41) == 7


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({}, []),
        ({"space units": '"mm" "mm" "mm"', "units": '"m" "m" "m"'}, ["mm", "mm", "mm"]),
        ({"units": '"mm" "cm" "m" "ms"'}, ["mm", "cm", "m"]),
        ({"units": '"ms" "mm" "cm" "m"', "space directions": "none (1,0,0) (0,1,0) (0,0,1)"}, ["mm", "cm", "m"]),
        ({"units": '"mm" "" "m" "ms"', "space directions": "(1,0,0) (0,1,0) (0,0,1) none"}, ["mm", "", "m"]),
    ],
)
def test_units_of_length_are_those_of_axes_in_space(fields: dict[str, str], units: list[str]) -> None:
    assert units_of_length(fields) == units


DIRECTIONS = "(1,0,0) (0,1,0) (0,0,8)"


@pytest.mark.parametrize(
    ("fields", "axis"),
    [
        ({}, None),
        ({"space directions": DIRECTIONS}, None),
        ({"space directions": f"none {DIRECTIONS}"}, 0),
        ({"space directions": f"{DIRECTIONS} none"}, 3),
        ({"space directions": f"{DIRECTIONS} none", "kinds": "space space space TIME"}, 3),
        ({"space directions": f"{DIRECTIONS} none", "kinds": "space space space list"}, None),
        ({"space directions": f"none {DIRECTIONS}", "kinds": "vector space space space"}, None),
        ({"space directions": DIRECTIONS, "kinds": "time space space"}, None),
    ],
)
def test_the_axis_of_the_phases_has_no_direction_in_space(fields: dict[str, str], axis: int | None) -> None:
    assert phase_axis(fields) == axis


def test_step_and_unit_of_an_axis() -> None:
    fields = {"spacings": "40 nan x", "units": '"ms" "mm"'}
    assert axis_step(fields, 0) == (40.0, "ms")
    assert [(math.isnan(step), unit) for step, unit in (axis_step(fields, axis) for axis in (1, 2, 3))] == [
        (True, "mm"),
        (True, ""),
        (True, ""),
    ]
    assert math.isnan(axis_step({}, 0)[0])


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_a_copy_calls_one_axis_a_list_and_keeps_the_rest(tmp_path: Path, line_break: str) -> None:
    replaced = 'kinds: time space space\nSPACINGS: 1 1 1\nunits: "" "" ""\n'
    text = (NRRD + replaced + "\n").replace("\n", line_break)
    (tmp_path / "copy").mkdir()
    path = _write(tmp_path / "a.nrrd", text, b"\n\n" + VOXELS)
    copy = call_axis_a_list(path, 1, tmp_path / "copy")
    assert copy == tmp_path / "copy" / "a.nrrd"
    assert copy.read_bytes() == f"{NRRD}kinds: domain list domain\n\n".encode() + b"\n\n" + VOXELS


def test_a_copy_names_voxels_elsewhere_by_their_whole_path(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    _write(tmp_path / "a.raw", "", VOXELS)
    path = _write(tmp_path / "a.nhdr", NRRD + "data file: a.raw\n")
    copy = call_axis_a_list(path, 0, tmp_path / "copy").read_text()
    assert copy == f"{NRRD}kinds: list domain domain\ndata file: {tmp_path / 'a.raw'}\n\n"
