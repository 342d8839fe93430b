"""Single values of a header as plain text and numbers, whatever state they are in."""

import tracemalloc
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.read.dicom.headers import (
    count_of,
    factor,
    number,
    open_bounded,
    plane_of,
    read_header,
    sop_class,
    text,
    vector,
    words,
)


def _raw(keyword, vr, value):
    header = Dataset()
    tag = Tag(keyword)
    header[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    return header


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"12.5 ", 12.5), (b" 7\\8", 7.0), (b"", None), (b"abc", None), (b"NaN ", None), (b"1e400", None)],
)
def test_number(value, expected):
    assert number(_raw("TriggerTime", "DS", value), "TriggerTime") == expected


def test_raw_and_converted_values_agree():
    converted = Dataset()
    converted.ImagePositionPatient = [1.5, -2.0, 3.0]
    raw = _raw("ImagePositionPatient", "DS", b"1.5\\-2.0\\3 ")
    numbers = [vector(header, "ImagePositionPatient", length=3, path=None) for header in (converted, raw)]
    assert numbers == [(1.5, -2.0, 3.0)] * 2


def test_text_loses_its_padding():
    assert text(_raw("StudyInstanceUID", "UI", b"1.2.3\0"), "StudyInstanceUID") == "1.2.3"
    assert text(_raw("StudyInstanceUID", "UI", b"\0"), "StudyInstanceUID") is None
    assert words(Dataset(), "ImageType") == ()


def test_a_value_of_an_unknown_type_names_the_element() -> None:
    header, tag = Dataset(), Tag("SOPClassUID")
    header[tag] = RawDataElement(tag, "ZZ", 2, b"1\0", 0, False, True)
    with pytest.raises(HeaderError, match="SOPClassUID must be a value of its type, got Unknown Value Rep"):
        words(header, "SOPClassUID")


@pytest.mark.parametrize(("little", "value"), [(True, b"\x00\x01"), (False, b"\x01\x00")])
def test_count_in_either_byte_order(little, value):
    header, tag = Dataset(), Tag("Rows")
    header[tag] = RawDataElement(tag, "US", 2, value, 0, False, little)
    assert count_of(header, "Rows", path=None) == 256


def test_count_of_zero_is_refused():
    with pytest.raises(UnreadableError, match="Rows, got 0"):
        count_of(_raw("Rows", "US", b"\0\0"), "Rows", path=None)


@pytest.mark.parametrize("value", [b"1\\2", b"1\\2\\x", b"1\\2\\inf", b""])
def test_vector_that_is_none_is_refused(value):
    with pytest.raises(HeaderError, match="ImagePositionPatient as 3 numbers"):
        vector(_raw("ImagePositionPatient", "DS", value), "ImagePositionPatient", length=3, path=None)


def test_pixels_start_where_the_header_says(study, phase_picture):
    path = study.image(1, 2)
    header = read_header(path, tags=["Rows"])
    assert path.read_bytes()[header.pixels_at :] == phase_picture(1, 2).tobytes()


@pytest.mark.parametrize(
    ("value", "is_slope", "expected"),
    [(b"2.5 ", True, 2.5), (b"", True, 1.0), (b"-3", False, -3.0), (b"0 ", False, 0.0)],
)
def test_factor(value, is_slope, expected):
    assert factor(_raw("RescaleSlope", "DS", value), "RescaleSlope", default=1.0, is_slope=is_slope) == expected
    assert factor(Dataset(), "RescaleSlope", default=1.0, is_slope=is_slope) == 1.0


@pytest.mark.parametrize(("value", "is_slope"), [(b"0 ", True), (b"-1", True), (b"abc", False), (b"nan", False)])
def test_what_is_no_factor_is_refused(value, is_slope):
    with pytest.raises(HeaderError, match=f"RescaleSlope must be a number.*, got '{value.decode().strip()}'"):
        factor(_raw("RescaleSlope", "DS", value), "RescaleSlope", default=1.0, is_slope=is_slope)


def test_no_more_is_read_than_there_is(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with open_bounded(tmp_path / "a") as stream:
        assert stream.read(4) == b"0123"
        assert stream.read(1 << 62) == b"456789"
        assert stream.read(1 << 62) == b""
        stream.seek(8)
        assert stream.read() == b"89"
        stream.seek(100)
        assert stream.read(None) == b""


def test_a_length_beyond_the_file_takes_no_memory(tmp_path, study):
    path = study.image(0, 0)
    data = path.read_bytes()
    at = data.index(b"\x08\x00\x70\x00") + 4  # Manufacturer, now of unlimited text of 2 GB
    path.write_bytes(data[:at] + b"UT\0\0\xff\xff\xff\x7f" + data[at + 4 :])
    tracemalloc.start()
    with suppress(UnreadableError):
        read_header(path, tags=("Manufacturer", "Rows"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


SQUARE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def _plane(orientation=SQUARE, spacing=(2.0, 1.5)):
    header = Dataset()
    header.ImagePositionPatient, header.ImageOrientationPatient = [1.0, 2.0, 3.0], list(orientation)
    header.PixelSpacing = list(spacing)
    return plane_of(header, header, header, path=Path("in/one.dcm"))


def test_a_plane_is_position_unit_directions_and_spacing():
    assert _plane() == ((1.0, 2.0, 3.0), SQUARE, (2.0, 1.5))
    assert _plane(spacing=(1e-3, 0.5))[2] == (1e-3, 0.5)  # a micrometre is odd, and positive


def test_directions_are_made_of_unit_length_each_by_its_own():
    _, directions, _ = _plane((0.804, 0.603, 0.0, 0.0, 0.0, -0.996))
    assert directions == pytest.approx(SQUARE, abs=1e-12)


@pytest.mark.parametrize(
    ("orientation", "refused"),
    [
        ((1.0099, 0, 0, 0, 1, 0), False),
        ((1.0101, 0, 0, 0, 1, 0), True),
        ((1, 0, 0, 0, 0.9901, 0), False),
        ((1, 0, 0, 0, 0.9899, 0), True),
        ((1, 0, 0, 0.0099, 1, 0), False),
        ((1, 0, 0, -0.0101, 1, 0), True),
        ((0, 0, 1, 0, 1, 0.0101), True),
        ((0, 1, 0, 0, 0.0101, 1), True),
    ],
)
def test_directions_may_be_off_by_a_hundredth(orientation, refused):
    if not refused:
        _plane(orientation)
        return
    with pytest.raises(HeaderError, match="must be two unit directions at right angles, got") as told:
        _plane(orientation)
    assert told.value.path == Path("in/one.dcm")


@pytest.mark.parametrize("spacing", [(0.0, 1.5), (1.5, 0.0), (-2.0, 1.5)])
def test_spacings_must_be_positive(spacing):
    with pytest.raises(HeaderError) as told:
        _plane(spacing=spacing)
    assert str(told.value) == f"PixelSpacing must have 2 positive values, got {spacing} [in/one.dcm]"


@pytest.mark.parametrize(
    ("keyword", "length"), [("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)]
)
def test_what_a_plane_lacks_is_named(study, keyword, length):
    header = pydicom.dcmread(study.image(0, 0, **{keyword: None}))
    with pytest.raises(HeaderError, match=rf"must state {keyword} as {length} numbers, got none \[in/one.dcm\]"):
        plane_of(header, header, header, path=Path("in/one.dcm"))


def test_the_class_is_the_header_s_else_the_file_s():
    header = FileDataset("", Dataset(), file_meta=FileMetaDataset())
    assert sop_class(header) == ""
    header.file_meta.MediaStorageSOPClassUID = "1.2.3"
    assert sop_class(header) == "1.2.3"
    header.SOPClassUID = "1.2.4"
    assert sop_class(header) == "1.2.4"


@pytest.mark.parametrize(("name", "is_dicom"), [("a.txt", False), ("a", False), ("a.DCM", True), ("a.ima", True)])
def test_a_file_is_dicom_by_its_content_else_refused_by_its_name(tmp_path, name, is_dicom):
    """What is no DICOM is passed over, unless it is named as if it were."""
    for content, told in ((b"no DICOM at all", "a file of something else"), (b"", "an empty file")):
        (tmp_path / name).write_bytes(content)
        if not is_dicom:
            assert read_header(tmp_path / name, tags=["Rows"]) is None
            continue
        with pytest.raises(UnreadableError, match=f"must hold DICOM, got {told}") as refused:
            read_header(tmp_path / name, tags=["Rows"])
        assert refused.value.path == tmp_path / name
