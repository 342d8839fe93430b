"""DICOM headers: is this file DICOM, what kind is it, and its values as plain numbers.

Scanners and anonymisers write values that the standard forbids (UIDs with leading zeros, a birth date of zeros).
pydicom warns of each; none matters to the image, so `core.quiet` silences those warnings while headers are read.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pipeline.core.errors import HeaderError, UnreadableError, first_line

__all__ = [
    "CLASSIC_MR",
    "ENHANCED_MR",
    "ORIENTATION_SLACK",
    "PARSE_ERRORS",
    "Header",
    "count_of",
    "factor",
    "integer",
    "number",
    "numbers",
    "open_bounded",
    "plane_of",
    "read_header",
    "sop_class",
    "text",
    "vector",
    "words",
]

CLASSIC_MR = frozenset({"1.2.840.10008.5.1.4.1.1.4"})
"""SOP classes with one MR image a file: MR Image Storage."""

ENHANCED_MR = frozenset({"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"})
"""SOP classes with many MR frames a file: Enhanced MR Image Storage and its Legacy Converted form."""

PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    ArithmeticError,  # a whole number that is stated to be infinite
    struct.error,
    zlib.error,
)
"""What pydicom and its plugins raise, by experience, on damaged files."""

ORIENTATION_SLACK = 0.01
"""How far ImageOrientationPatient may be from two unit vectors at right angles: rounding, but not nonsense."""

_FIRST_GROUPS = (b"\x08\x00", b"\x02\x00")
_SUFFIXES = (".dcm", ".ima", ".dicom")
_TEXT_VRS = frozenset({"CS", "DA", "DS", "DT", "IS", "LO", "SH", "TM", "UI"})
_PIXEL_DATA = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # little and big endian
_UNDEFINED_LENGTH = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class Header:
    """Some elements of a DICOM file, and where its pixels start.

    Attributes:
        elements: the elements asked for.
        has_pixels: whether pixel data follow; taken for granted in a deflated file.
        pixels_at: byte offset of the pixel data's value, where it is uncompressed little endian; else `None`.
        n_pixel_bytes: stated length of that value, as far as the file holds it; 0 where `pixels_at` is `None`.
    """

    elements: FileDataset
    has_pixels: bool = True
    pixels_at: int | None = None
    n_pixel_bytes: int = 0


def read_header(path: Path, *, tags: Sequence[str | int]) -> Header | None:
    """Read some elements of a DICOM file, nothing from the pixel data on.

    A file is DICOM when it says so after its preamble, when it starts with an element as files without a preamble do,
    or when its name ends in .dcm, .ima or .dicom.

    Args:
        path: the file.
        tags: keywords of the elements to read, numbers of private ones; the others are skipped.

    Returns:
        The header, or `None` where the file is not DICOM.

    Raises:
        UnreadableError: a DICOM file that cannot be opened or parsed, such as one cut short or empty.
    """
    try:
        with open_bounded(path) as stream:
            start = stream.read(132)
            bare = start[128:] != b"DICM"
            headless = bare and start[:2] in _FIRST_GROUPS and start[2:4] < b"\x20\x00"
            if bare and not headless:
                if path.suffix.lower() not in _SUFFIXES:
                    return None
                got = "a file of something else" if start else "an empty file"
                raise UnreadableError(f"a file named {path.suffix} must hold DICOM, got {got}", path)
            stream.seek(0)
            elements = dcmread(
                stream, stop_before_pixels=True, specific_tags=[_tag(keyword) for keyword in tags], force=headless
            )
            return Header(elements, *_find_pixels(stream, elements))
    except PARSE_ERRORS as error:
        raise UnreadableError(
            f"a DICOM header must parse, got {type(error).__name__}: {first_line(error)}", path
        ) from error


class _Bounded(io.BufferedReader):
    """A file of which no more is read than there is, whatever length is asked for; memory is taken for that first."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        there = max(0, self._size - self.tell())
        return super().read(there if size is None or size < 0 else min(size, there))


def open_bounded(path: Path) -> BinaryIO:
    """Open a file for pydicom, which takes memory for as many bytes as an element says it has."""
    return _Bounded(path)


def _find_pixels(stream: BinaryIO, elements: FileDataset) -> tuple[bool, int | None, int]:
    """Whether pixel data follow; and offset and length of native ones (PS3.5 7.1.2, 7.1.3).

    pydicom leaves the stream at the element it stopped before.
    """
    syntax = elements.file_meta.get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        return True, None, 0
    at = stream.tell()
    start = stream.read(12)
    has_pixels = start[:4] in _PIXEL_DATA
    value_at = {ExplicitVRLittleEndian: 12, ImplicitVRLittleEndian: 8}.get(syntax)
    if not has_pixels or value_at is None or start[value_at - 4 : value_at] == _UNDEFINED_LENGTH:
        return has_pixels, None, 0
    at += value_at
    there = stream.seek(0, os.SEEK_END) - at
    return True, at, min(int.from_bytes(start[value_at - 4 : value_at], "little"), there)


def sop_class(header: FileDataset) -> str:
    """SOPClassUID of a header, else the one in its file meta information, else an empty string."""
    return text(header, "SOPClassUID") or text(header.file_meta, "MediaStorageSOPClassUID") or ""


def words(header: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of an element as stripped text; `()` where absent or empty.

    Text and single counts are taken here from their bytes: many times faster than pydicom's checked conversion, and
    these elements (numbers, codes and UIDs) are ASCII by the standard.

    Raises:
        HeaderError: its bytes are no value of its type, or its type is unknown; a sign of a file that is damaged.
    """
    element = header.get_item(_tag(keyword))
    if element is None or element.value is None:
        return ()
    if isinstance(element, RawDataElement) and element.VR in _TEXT_VRS and element.value:
        joined = element.value.decode("latin-1")
    elif isinstance(element, RawDataElement) and element.VR == "US" and element.value and len(element.value) == 2:
        joined = str(int.from_bytes(element.value, "little" if element.is_little_endian else "big"))
    else:
        value = _converted(header, keyword)
        if value is None:
            return ()
        joined = "\\".join(map(str, value)) if isinstance(value, MultiValue | list) else str(value)
    joined = joined.strip(" \0")
    return tuple(word.strip(" \0") for word in joined.split("\\")) if joined else ()


def _converted(header: Dataset, keyword: str) -> Any:
    """A value by pydicom, which converts it only now."""
    try:
        return header[_tag(keyword)].value
    except PARSE_ERRORS as error:
        name = getattr(header, "filename", None)  # items of sequences have none
        path = Path(name) if isinstance(name, str | Path) else None
        raise HeaderError(f"{keyword} must be a value of its type, got {first_line(error)}", path) from error


@cache
def _tag(keyword: str | int) -> BaseTag:
    return Tag(keyword)


def text(header: Dataset, keyword: str) -> str | None:
    """The first value of an element as stripped text; `None` where absent or empty."""
    found = words(header, keyword)
    return found[0] if found and found[0] else None


def number(header: Dataset, keyword: str) -> float | None:
    """The first value of an element as a finite number; `None` where absent, empty or not a number."""
    try:
        value = float(words(header, keyword)[0])
    except (ValueError, TypeError, IndexError):
        return None
    return value if math.isfinite(value) else None


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an element as finite numbers; `()` where absent, empty, or where one of them is not a number."""
    try:
        values = tuple(map(float, words(header, keyword)))
    except (ValueError, TypeError):
        return ()
    return values if all(map(math.isfinite, values)) else ()


def factor(header: Dataset, keyword: str, *, default: float, is_slope: bool = False) -> float:
    """An element that pixels are multiplied by or shifted by, such as RescaleSlope; `default` where absent or empty.

    Raises:
        HeaderError: it is no finite number, or a slope that is not above 0: nobody knows then what the pixels mean.
    """
    stated = text(header, keyword)
    if stated is None:
        return default
    value = number(header, keyword)
    if value is None or (is_slope and value <= 0):
        raise HeaderError(f"{keyword} must be {'a number above 0' if is_slope else 'a number'}, got {stated!r}")
    return value


def integer(header: Dataset, keyword: str) -> int | None:
    """The first value of an element as a whole number; `None` where absent, empty or not a number."""
    value = number(header, keyword)
    return None if value is None else int(value)


def count_of(header: Dataset, keyword: str, *, path: Path) -> int:
    """An element that must hold a positive count, such as Rows.

    Raises:
        UnreadableError: it is absent or below 1: the file was cut short, or is not an image.
    """
    value = integer(header, keyword)
    if value is None or value < 1:
        raise UnreadableError(f"an image must state {keyword}, got {value}: the file is cut short or no image", path)
    return value


def vector(header: Dataset, keyword: str, *, length: int, path: Path) -> tuple[float, ...]:
    """An element that must hold `length` finite numbers, such as ImagePositionPatient.

    Raises:
        HeaderError: it is absent, of another length, or not made of finite numbers.
    """
    values = numbers(header, keyword)
    if len(values) != length:
        raise HeaderError(f"an MR image must state {keyword} as {length} numbers, got {values or 'none'}", path)
    return values


def plane_of(
    position: Dataset, orientation: Dataset, measures: Dataset, *, path: Path
) -> tuple[tuple[float, float, float], tuple[float, float, float, float, float, float], tuple[float, float]]:
    """Where an image plane lies: position (LPS mm), orientation (unit directions) and pixel spacing (mm).

    Args:
        position: data set with ImagePositionPatient.
        orientation: data set with ImageOrientationPatient.
        measures: data set with PixelSpacing: between rows, then between columns.
        path: the file, for messages.

    Raises:
        HeaderError: one of them is absent, the directions are not of unit length and at right angles, or a spacing
            is not positive.
    """
    x, y, z = vector(position, "ImagePositionPatient", length=3, path=path)
    cosines = vector(orientation, "ImageOrientationPatient", length=6, path=path)
    between_rows, between_columns = vector(measures, "PixelSpacing", length=2, path=path)
    lengths = math.hypot(*cosines[:3]), math.hypot(*cosines[3:])
    skew = sum(a * b for a, b in zip(cosines[:3], cosines[3:], strict=True))
    if max(abs(lengths[0] - 1.0), abs(lengths[1] - 1.0), abs(skew)) > ORIENTATION_SLACK:
        raise HeaderError(f"ImageOrientationPatient must be two unit directions at right angles, got {cosines}", path)
    if min(between_rows, between_columns) <= 0:
        raise HeaderError(f"PixelSpacing must have 2 positive values, got {(between_rows, between_columns)}", path)
    a, b, c = (value / lengths[0] for value in cosines[:3])
    d, e, f = (value / lengths[1] for value in cosines[3:])
    return (x, y, z), (a, b, c, d, e, f), (between_rows, between_columns)
