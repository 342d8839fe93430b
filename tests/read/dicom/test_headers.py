"""Single values of a header as plain text and numbers, whatever state they are in."""

import tracemalloc
from contextlib import suppress

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.read.dicom.headers import count_of, factor, number, open_bounded, read_header, text, vector, words


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
