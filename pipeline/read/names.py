"""A case's name, from the path of its images: readable, safe as a folder's name, and the same whatever lies beside it.

A case is called by the parts of its path below INPUT that say something, joined by `_`. Where none of them names
anybody, as in `MR_1` or `ses-2`, INPUT's own name is put before them, or that of the folder above it. Only cases that
would share a name, be it but for capitals, get digits of their identity behind it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256

from pipeline.read.sameness import DIGITS, digits_of

__all__ = ["case_name", "distinct_names", "safe_name", "without_digits"]

# fmt: off
_GENERIC = frozenset(
    {
        "anat", "anonymous", "anonymized", "axis", "cardiac", "cine", "cines", "cmr", "data", "dcm", "dicom",
        "dicomdir", "dicoms", "export", "exports", "file", "files", "im", "image", "images", "img", "imgs",
        "in", "input", "inputs", "mr", "mri", "name", "nifti", "nii", "no", "pa", "raw", "rawdata", "sa", "sax", "scan",
        "scans", "se", "series", "short", "source", "sourcedata", "st", "stack", "studies", "study",
        "unknown", "unnamed", "unpacked", "volume",
    }
)
"""Words that folders and files are called everywhere, so that they tell no case from another."""

_OCCASION = frozenset(
    {
        "baseline", "day", "exam", "examination", "follow", "followup", "month", "ses", "session", "time",
        "timepoint", "up", "visit", "week",
    }
)
"""Words that tell one patient's studies apart, and not whose they are."""
# fmt: on

_DATE = re.compile(r"(19|20)\d\d([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])")
_AXES = re.compile(r"(?<![^\W_])[234]d(?![^\W_])")
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)  # for Windows, devices
_N_ABOVE = 2
"""Folders from INPUT upwards that may name a case. Further up are those of projects and disks."""
_NOT_FIRST = ".-+"  # hidden files, options, a spreadsheet's formulas
_LONGEST_BYTES = 120
"""Of a folder's name. Disks take 255; the rest is for digits and for other folders' names in a path."""


def case_name(parts: Sequence[str], *, n_below: int, is_file: bool) -> str:
    """Name a case by its path.

    Args:
        parts: of the path of the case's folder or file, from the disk's root, endings of formats taken off.
        n_below: how many of them lie below INPUT; 0 where the case is INPUT itself.
        is_file: whether the last part is an image's own, which is always told.

    Returns:
        A safe name, see `safe_name`. It depends on nothing but the path.

    >>> case_name(("in", "sub-01", "ses-2", "anat", "sub-01_ses-2_cine"), n_below=4, is_file=True)
    'sub-01_ses-2_cine'
    >>> case_name(("in", "Doe", "Unknown Study", "MR_1"), n_below=3, is_file=False)
    'Doe_MR_1'
    >>> case_name(("home", "4711", "DICOM"), n_below=0, is_file=False)  # INPUT is the folder called DICOM
    '4711'
    """
    if not parts:
        return "study"
    names_somebody = [_names_somebody(part) for part in parts]
    start = below = len(parts) - n_below
    while not any(names_somebody[start:]) and start > max(below - _N_ABOVE, 0):
        start -= 1
    if not any(names_somebody[start:]):
        start = len(parts) - max(n_below, 1)
    told = [part for part in parts[start:-1] if not _is_generic(part)]
    if is_file or not told or not _is_generic(parts[-1]):
        told.append(parts[-1])
    once = [part for place, part in enumerate(told) if not any(_holds(later, part) for later in told[place + 1 :])]
    return safe_name("_".join(once))


def safe_name(text: str) -> str:
    r"""A text as the name of one folder on any disk, whatever is in it.

    Letters and digits of any script stay, in Unicode's composed form, and `_`, `.`, `-` and `+`. What a shell, a page,
    a disk, a spreadsheet or a reader could take for something else becomes `-` (separators, quotes, controls) or goes
    (marks of direction, leading and trailing dots). What is too long is cut, and digits of the whole tell it apart.

    >>> safe_name("../Doe, Jane"), safe_name("con.v2"), safe_name("\u202e")
    ('Doe-Jane', 'case_con.v2', 'study')
    """
    plain = "".join(map(_plain, unicodedata.normalize("NFC", text)))
    name = "-".join(plain.split()).lstrip(_NOT_FIRST).rstrip(".-")
    if not name:
        return "study"
    if _RESERVED.match(name):
        name = f"case_{name}"
    encoded = name.encode()
    if len(encoded) <= _LONGEST_BYTES:
        return name
    digits = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[: DIGITS[0]]
    kept = encoded[: _LONGEST_BYTES - len(digits) - 1].decode("utf-8", "ignore").rstrip(".-")
    return f"{kept}-{digits}"


def distinct_names(named: Iterable[tuple[str, str]]) -> list[str]:
    """Tell apart cases of one name, which disks may not tell from one in capitals, by digits of their identity.

    Args:
        named: name and identity of each case.

    Returns:
        A name for each, in the order given. Those of one name and one identity keep sharing one.

    >>> distinct_names([("a", "study 1"), ("b", "study 2"), ("B", "study 3")])
    ['a', 'b-5d84bd', 'B-9084a0']
    """
    named = list(named)
    sharing: dict[str, set[str]] = defaultdict(set)
    for name, identity in named:
        sharing[name.casefold()].add(identity)
    return [_tell_apart(name, identity, sharing[name.casefold()]) for name, identity in named]


def without_digits(name: str, identity: str) -> str:
    """A name as it is without the digits of its own identity.

    >>> without_digits("b-5d84bd", "study 2"), without_digits("b-5d84bd", "study 3")
    ('b', 'b-5d84bd')
    """
    endings = (f"-{digits_of(identity, count)}" for count in DIGITS)
    return name.removesuffix(next((ending for ending in endings if name.endswith(ending)), ""))


def _plain(letter: str) -> str:
    """A letter, digit or mark as it is, nothing for what is not seen, a space for all else."""
    category = unicodedata.category(letter)
    if category[0] in "LNM" or letter in "_.-+":
        return letter
    return "" if category in ("Cf", "Cs", "Co", "Cn") else " "


def _tell_apart(name: str, identity: str, sharing: set[str]) -> str:
    if len(sharing) == 1:
        return name
    count = next(count for count in DIGITS if len({digits_of(one, count) for one in sharing}) == len(sharing))
    return f"{name}-{digits_of(identity, count)}"


def _is_generic(part: str) -> bool:
    """Whether a part of a path says nothing: not even a number tells it from others."""
    return all(word in _GENERIC for word in _words(part))


def _names_somebody(part: str) -> bool:
    """Whether a part can be whose images these are: not `MR_1`, `ses-2`, `baseline` or a date."""
    if part.casefold().startswith("ses-") or _DATE.fullmatch(part):
        return False
    words = _words(part)
    if words and words[0].isdigit():  # as `001_SA`
        return True
    return not all(word.isdigit() or word in _GENERIC | _OCCASION for word in words)


def _words(part: str) -> list[str]:
    return _WORDS.findall(_AXES.sub(" ", part.casefold()))


def _holds(longer: str, part: str) -> bool:
    """Whether a part of the path is told again by a later one, as a patient's folder is by the file's name."""
    return re.search(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", longer, re.IGNORECASE) is not None
