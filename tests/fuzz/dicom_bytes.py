"""DICOM files as bytes whose elements can be replaced by what no library would write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.tag import Tag

UNDEFINED = 0xFFFFFFFF
_LONG = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UC", b"UN", b"UR", b"UT"})
_ITEMS = frozenset({0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD})


@dataclass(frozen=True)
class Element:
    """Where an element lies: from its tag to the end of its value."""

    tag: int
    vr: bytes
    start: int
    value_at: int
    end: int

    @property
    def keyword(self) -> str:
        return keyword_for_tag(self.tag) or f"{self.tag:08X}"


def elements(data: bytes) -> Iterator[Element]:
    """The elements of a little-endian file, those within sequences of undefined length, too, in the file's order."""
    at, explicit = 132, True
    while at + 8 <= len(data):
        tag = (int.from_bytes(data[at : at + 2], "little") << 16) | int.from_bytes(data[at + 2 : at + 4], "little")
        if tag >> 16 > 2 and b"1.2.840.10008.1.2\x00" in data[132:at]:
            explicit = False
        one = _element(data, at, tag, explicit=explicit)
        yield one
        at = one.value_at if tag in _ITEMS or one.vr == b"SQ" else one.end


def _element(data: bytes, at: int, tag: int, *, explicit: bool) -> Element:
    if tag in _ITEMS:
        return Element(tag, b"", at, at + 8, at + 8)
    if explicit:
        vr = data[at + 4 : at + 6]
        head, width = (12, 4) if vr in _LONG else (8, 2)
        length = int.from_bytes(data[at + head - width : at + head], "little")
    else:
        vr, head = dictionary_VR(Tag(tag)).split()[0].encode() if dictionary_has_tag(Tag(tag)) else b"UN", 8
        length = int.from_bytes(data[at + 4 : at + 8], "little")
    value_at = at + head
    return Element(tag, vr, at, value_at, value_at if length == UNDEFINED else min(value_at + length, len(data)))


def encode(tag: int, vr: bytes, value: bytes, *, explicit: bool) -> bytes:
    """An element, its value made even in length."""
    value += (b"\0" if vr in (b"UI", b"OB", b"OW") else b" ") * (len(value) % 2)
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    if not explicit:
        return head + len(value).to_bytes(4, "little") + value
    if vr in _LONG:
        return head + vr + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + vr + (len(value) & 0xFFFF).to_bytes(2, "little") + value


def is_explicit(data: bytes) -> bool:
    """Whether a file states its elements' types."""
    return b"1.2.840.10008.1.2\x00" not in data[132:600]


def replace_element(data: bytes, keyword: str, change: Callable[[Element, bytes], bytes]) -> bytes:
    """Replace every element of a keyword by the bytes that `change` makes of it and its value."""
    parts, done = [], 0
    for one in elements(data):
        if one.keyword == keyword:
            parts += [data[done : one.start], change(one, data[one.value_at : one.end])]
            done = one.end
    return b"".join([*parts, data[done:]])


def keywords(data: bytes) -> tuple[str, ...]:
    """Keywords of all elements but the file's own and those that frame sequences."""
    found = (one.keyword for one in elements(data) if one.tag not in _ITEMS and one.vr != b"SQ")
    return tuple(dict.fromkeys(found))
