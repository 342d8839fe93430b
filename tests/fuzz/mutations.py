"""Damage as transfers, anonymisers, converters and bad disks do it, drawn at random from one seed."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np

from tests.fuzz.corpus import N_PHASES, N_SLICES, Study
from tests.fuzz.dicom_bytes import Element, elements, encode, is_explicit, keywords, replace_element

Files = dict[str, bytes]

EVERYWHERE_LOOSE = {
    "PixelSpacing": "affine",
    "ImagePositionPatient": "affine",
    "ImageOrientationPatient": "affine",
    "TriggerTime": "times",
    "NominalCardiacTriggerDelayTime": "times",
    "FrameTime": "times",
    "RescaleSlope": "array",
    "RescaleIntercept": "array",
    "SpacingBetweenSlices": "",
    "SliceThickness": "",
}
"""What may differ where an element has another value in all files alike that is credible itself: that is another study,
and nothing tells it from the true one. Whether the value is credible is for the oracle to say."""

_MEANT = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime", "Rows", "Columns"),
    *("RescaleSlope", "RescaleIntercept", "BitsStored", "BitsAllocated", "HighBit", "PixelRepresentation"),
    *("ImageType", "FrameType", "NumberOfFrames", "InstanceNumber", "SeriesInstanceUID", "StudyInstanceUID"),
    *("TemporalPositionIdentifier", "NominalCardiacTriggerDelayTime", "PatientSize", "PatientWeight", "HeartRate"),
    *("SOPClassUID", "PhotometricInterpretation", "SamplesPerPixel", "PatientID", "FrameTime", "EchoTime"),
)
"""Elements that decide what is read; half of all damage is done to one of them."""


@dataclass(frozen=True)
class Mutation:
    """A study's files after damage.

    Attributes:
        files: content by name.
        told: what was done.
        loose: what may differ without a note, see `corpus.Study.loose`.
    """

    files: Files
    told: str
    loose: frozenset[str] = frozenset()


def mutate(study: Study, rng: np.random.Generator) -> Mutation:
    """Damage a study once, or, one time in eight, twice."""
    first = _once(study, rng)
    if (
        rng.random() >= 0.125 or not first.files or first.told.startswith(("cut", "empty"))
    ):  # what follows a cut stands in for pixels
        return first
    try:
        second = _once(replace(study, files=first.files), rng)
    except (OSError, EOFError, ValueError, KeyError, IndexError, zlib.error):  # the first left nothing to take apart
        return first
    return Mutation(second.files, f"{first.told}; {second.told}", first.loose | second.loose)


def _once(study: Study, rng: np.random.Generator) -> Mutation:
    if rng.random() < 0.12:
        return _bytes(study, rng)
    if study.is_dicom:
        return _structure(study, rng) if rng.random() < 0.15 else _element(study, rng)
    return _nifti(study, rng) if "nifti" in study.name else _text(study, rng)


def _pick(rng: np.random.Generator, options: object) -> object:
    options = list(options)  # type: ignore[call-overload]
    return options[int(rng.integers(len(options)))]


# damage to any file


def _bytes(study: Study, rng: np.random.Generator) -> Mutation:
    """Bits turned in the header, a file cut short or made longer. Pixels may not be touched: nothing tells."""
    name = str(_pick(rng, sorted(study.files)))
    data = bytearray(study.files[name])
    kind = _pick(rng, ("flip", "cut", "more", "empty", "zeros"))
    if kind == "flip":
        at = rng.integers(0, max(1, _header_length(study, data)), int(rng.integers(1, 5)))
        for place in at:
            data[int(place) % len(data)] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        data = data[: int(rng.integers(len(data)))]
    elif kind == "more":
        data += bytes(rng.integers(0, 256, int(rng.integers(1, 3000)), dtype=np.uint8))
    elif kind == "empty":
        data = bytearray()
    else:
        start = int(rng.integers(max(1, _header_length(study, data))))
        length = min(int(rng.integers(1, 64)), max(0, _header_length(study, data) - start))
        data[start : start + length] = bytes(length)
    loose = frozenset({"array", "affine", "times"}) if kind in ("flip", "zeros") else frozenset()
    return Mutation({**study.files, name: bytes(data)}, f"{kind} in {name}", loose & _loose_of_one_file(study))


def _loose_of_one_file(study: Study) -> frozenset[str]:
    """One file of many contradicts the others; the only one may say another thing that is as good."""
    return frozenset() if len(study.files) > 1 else frozenset({"array", "affine", "times"})


def _header_length(study: Study, data: bytes) -> int:
    if study.is_dicom:
        try:
            return next((one.start for one in elements(bytes(data)) if one.tag == 0x7FE00010), len(data))
        except (IndexError, KeyError, ValueError):
            return len(data)
    if ".nii" in next(iter(study.files)):
        return 30 if study.name.endswith("gz") else 540 if study.name.endswith("2") else 348
    return max(data.find(b"LOCAL"), data.find(b"\n\n"), 100)


# damage to DICOM


def _structure(study: Study, rng: np.random.Generator) -> Mutation:
    """Files lost, doubled or strange, and pixel data of another length."""
    files, names = dict(study.files), sorted(study.files)
    name = str(_pick(rng, names))
    kind = _pick(rng, ("lost", "phase lost", "slice lost", "copy", "strange", "pixels", "syntax", "pixels everywhere"))
    loose: frozenset[str] = frozenset()
    if kind == "lost":
        del files[name]
        if study.name == "packed" and name in (names[0], names[-1]):  # a shorter stack
            loose = frozenset({"array", "affine"})
    elif kind in ("phase lost", "slice lost") and len(names) == N_PHASES * N_SLICES:
        phase, number = kind == "phase lost", int(rng.integers(N_PHASES if kind == "phase lost" else N_SLICES))
        lost = [one for one in names if (int(one[:3]) % N_PHASES if phase else int(one[:3]) // N_PHASES) == number]
        files = {one: data for one, data in files.items() if one not in lost}
        if number in (0, (N_PHASES if phase else N_SLICES) - 1):  # a shorter stack or beat, as it may have been
            loose = frozenset({"array", "affine", "times"})
    elif kind == "copy":
        files[f"copy{name}"] = files[name]
    elif kind == "strange":
        files[name] = bytes(rng.integers(0, 256, 600, dtype=np.uint8))
    elif kind == "syntax":
        old, new = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"
        change = (new, old) if study.name == "implicit" else (old, new)
        files[name] = files[name].replace(*change, 1)
    else:
        for one in names if kind == "pixels everywhere" else [name]:
            by = int(_pick(rng, (-64, -2, 2, 24, 384)))  # type: ignore[call-overload]
            files[one] = replace_element(files[one], "PixelData", lambda e, v, by=by: _lengthened(e, v, by))
    return Mutation(files, f"{kind} {name}", loose)


def _lengthened(element: Element, value: bytes, by: int) -> bytes:
    return encode(element.tag, element.vr, value[:by] if by < 0 else value + bytes(by), explicit=True)


def _element(study: Study, rng: np.random.Generator) -> Mutation:
    """One element of one file, of a slice's, of a phase's or of all files."""
    names = sorted(study.files)
    name = str(_pick(rng, names))
    known = keywords(study.files[name])
    known = [one for one in known if one != "PixelData"]
    meant = [one for one in _MEANT if one in known]
    keyword = str(_pick(rng, meant if meant and rng.random() < 0.6 else known))
    scope = str(_pick(rng, ("file", "file", "slice", "phase", "all")))
    scope = scope if len(names) == N_PHASES * N_SLICES or scope in ("file", "all") else "file"
    index = int(name[:3]) if name[:3].isdigit() else 0
    chosen = {
        "file": [name],
        "all": names,
        "slice": [one for one in names if one[:3].isdigit() and int(one[:3]) // N_PHASES == index // N_PHASES],
        "phase": [one for one in names if one[:3].isdigit() and int(one[:3]) % N_PHASES == index % N_PHASES],
    }[scope]
    everywhere = scope == "all" or len(names) == 1
    kind = str(_pick(rng, _ALIKE if scope == "all" else (*_ALIKE, *_ALONE)))
    seed = int(rng.integers(1 << 31))
    files = dict(study.files)
    for one in chosen:
        explicit = is_explicit(files[one])
        changed = np.random.default_rng(seed)
        files[one] = replace_element(
            files[one], keyword, lambda e, v, x=explicit, r=changed: _changed(e, v, kind, explicit=x, rng=r)
        )
    loose = frozenset({EVERYWHERE_LOOSE.get(keyword, "")} - {""}) if everywhere else frozenset()
    if everywhere and (keyword, kind) == ("ImagePositionPatient", "negated"):  # the slices of a stack that runs back
        loose |= {"array"}
    return Mutation(files, f"{keyword} {kind} in {scope} {name}", loose)


_VALUES: dict[str, bytes] = {
    "empty": b"",
    "text": b"abc",
    "zero": b"0",
    "minus": b"-1",
    "one": b"1",
    "16 bits": b"65535",
    "31 bits": b"2147483647",
    "huge": b"1e30",
    "not a number": b"nan",
    "infinite": b"inf",
    "two": b"7\\9",
    "hostile": b"../../<script>$(x)\\\xe2\x80\xae",
}
_ALIKE = (*_VALUES, "absent", "tenfold", "tenth", "thousandfold", "lost component", "cut component", "other vr")
_ALONE = ("digit", "swapped", "negated", "random", "double", "shortened", "long length")


def _changed(element: Element, value: bytes, kind: str, *, explicit: bool, rng: np.random.Generator) -> bytes:
    tag, vr = element.tag, element.vr
    if kind == "absent":
        return b""
    if kind == "double":
        return 2 * encode(tag, vr, value, explicit=explicit)
    if kind == "other vr":
        return encode(tag, (b"UN", b"LO", b"FD", b"US", b"ZZ", b"SQ")[int(rng.integers(6))], value, explicit=explicit)
    if kind == "long length":
        whole = encode(tag, vr, value, explicit=explicit)
        at = len(whole) - len(value) - len(value) % 2
        return whole[: at - 2] + b"\xfe\x7f" + whole[at:]
    new = _binary(value, vr, kind, rng) if vr in _FORMS else _text_value(value, kind, rng)
    return encode(tag, vr, new, explicit=explicit)


_FORMS = {b"US": "<H", b"SS": "<h", b"UL": "<I", b"SL": "<i", b"FD": "<d", b"FL": "<f"}


def _binary(value: bytes, vr: bytes, kind: str, rng: np.random.Generator) -> bytes:
    form = _FORMS[vr]
    if len(value) != struct.calcsize(form):
        return value
    (number,) = struct.unpack(form, value)
    told = _text_value(f"{number:g}".encode(), kind, rng)
    try:
        new = float(told)
        if vr in (b"FD", b"FL"):
            return struct.pack(form, new)
        return struct.pack(form, int(new) % (1 << (8 * len(value) - (vr in (b"SS", b"SL")))))
    except (ValueError, OverflowError):
        return {"empty": b"", "text": value + value}.get(kind, value[:-1])


def _text_value(value: bytes, kind: str, rng: np.random.Generator) -> bytes:
    if kind in _VALUES:
        return _VALUES[kind]
    words = value.strip(b" \0").split(b"\\")
    which = int(rng.integers(len(words)))
    factors = {"tenfold": 10.0, "tenth": 0.1, "thousandfold": 1000.0}
    if kind in factors or kind == "negated":
        return b"\\".join(_times(word, factors.get(kind, -1.0)) for word in words)
    if kind == "lost component":
        words[which] = b"0"
    elif kind == "cut component":
        del words[which]
    elif kind == "swapped":
        words = words[::-1]
    elif kind == "shortened":
        return value[: len(value) // 2]
    elif kind == "random":
        return bytes(rng.integers(0, 256, max(1, len(value)), dtype=np.uint8))
    elif kind == "digit" and words[which]:
        word = bytearray(words[which])
        word[int(rng.integers(len(word)))] = 48 + int(rng.integers(10))
        words[which] = bytes(word)
    return b"\\".join(words)


def _times(word: bytes, factor: float) -> bytes:
    try:
        return f"{float(word) * factor:.9g}".encode()
    except ValueError:
        return word


# damage to NIfTI


_NIFTI_LOOSE = {"scl_slope": "array", "scl_inter": "array", "datatype": "array", "sizeof_hdr": ""}


def _nifti(study: Study, rng: np.random.Generator) -> Mutation:
    """One field of the header."""
    (name,) = study.files
    data = bytearray(gzip.decompress(study.files[name]) if name.endswith(".gz") else study.files[name])
    kind = nib.Nifti2Header if study.name.endswith("_2") else nib.Nifti1Header
    size = kind.template_dtype.itemsize
    fields = np.frombuffer(bytes(data[:size]), kind.template_dtype.newbyteorder("<")).copy()
    names = [*fields.dtype.names, *4 * ("dim", "pixdim", "srow_x", "srow_y", "srow_z", "vox_offset", "xyzt_units")]
    field = str(_pick(rng, names))
    value = fields[field]
    told = _change_field(value[0] if value.ndim > 1 else value, rng)
    data[:size] = fields.tobytes()
    content = gzip.compress(bytes(data), mtime=0) if name.endswith(".gz") else bytes(data)
    return Mutation({name: content}, f"{field} {told}", frozenset({_NIFTI_LOOSE.get(field, "")} - {""}) | study.loose)


def _change_field(value: np.ndarray, rng: np.random.Generator) -> str:
    """Change one number of a field in place."""
    at = int(rng.integers(value.size))
    if value.dtype.kind == "S":
        value[at] = bytes(rng.integers(0, 256, value.dtype.itemsize, dtype=np.uint8))
        return "random"
    changes: dict[str, Callable[[float], float]] = {
        "zero": lambda _: 0,
        "one": lambda _: 1,
        "minus one": lambda _: -1,
        "negated": lambda x: -x,
        "tenfold": lambda x: x * 10,
        "tenth": lambda x: x / 10,
        "one less": lambda x: x - 1,
        "one more": lambda x: x + 1,
        "nearly": lambda x: x * 1.05,
        "huge": lambda _: 1e30 if value.dtype.kind == "f" else np.iinfo(value.dtype).max,
        "not a number": lambda _: np.nan if value.dtype.kind == "f" else np.iinfo(value.dtype).min,
        "infinite": lambda _: np.inf if value.dtype.kind == "f" else 32767,
    }
    name = str(_pick(rng, changes))
    new = changes[name](float(value[at]))
    if value.dtype.kind in "iu":
        limits = np.iinfo(value.dtype)
        new = int(min(max(new, limits.min), limits.max))
    with np.errstate(over="ignore"):
        value[at] = new
    return f"[{at}] {name}"


# damage to MetaImage and NRRD


def _text(study: Study, rng: np.random.Generator) -> Mutation:
    """One field of a header of text: lost, doubled, or one of its numbers changed."""
    (name,) = study.files
    data = study.files[name]
    end = data.find(b"LOCAL\n") + 6 if name.endswith(".mha") else data.find(b"\n\n") + 1
    lines = data[:end].splitlines(keepends=True)
    at = int(rng.integers(len(lines)))
    kind = str(_pick(rng, ("lost", "double", "number", "number", "number", "number", "word", "blank")))
    field = re.split(rb"[:=]", lines[at])[0].strip().decode("latin-1")
    if kind == "lost":
        lines[at] = b""
    elif kind == "double":
        lines[at] *= 2
    elif kind == "word":
        lines[at] = re.sub(rb"[A-Za-z]+(?=\W*\n)", b"strange", lines[at], count=1)
    elif kind == "blank":
        lines[at] = re.split(rb"(?<=[:=])", lines[at])[0] + b"\n"
    else:
        numbers = list(re.finditer(rb"-?\d+(\.\d+)?", lines[at]))
        if numbers:
            one = numbers[int(rng.integers(len(numbers)))]
            new = _text_value(one[0], str(_pick(rng, (*_VALUES, "tenfold", "tenth", "digit", "negated"))), rng)
            lines[at] = lines[at][: one.start()] + new + lines[at][one.end() :]
            kind = f"{one[0].decode()} is {new.decode('latin-1')}"
    loose = study.loose | ({"array"} if field in ("ElementByteOrderMSB", "BinaryDataByteOrderMSB", "endian") else set())
    return Mutation({name: b"".join(lines) + data[end:]}, f"{field} {kind}", frozenset(loose))
