"""Single values of a header as plain text and numbers, whatever state they are in."""

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.read.dicom.headers import count_of, number, read_header, text, vector, words


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
