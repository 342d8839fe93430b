"""Patient, study and equipment elements of a source's header, repaired for the objects derived from it.

Only the elements listed here are copied, each checked by its value representation (PS3.5 6.2). Those that cannot be
repaired are left empty and reported in a sentence without the value. PatientID is kept as it is, since another one, or
none, would mean another patient.
"""

from __future__ import annotations

from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import DA, TM, validate_value

from pipeline.core.errors import ConfigError

__all__ = ["SUBJECT_KEYWORDS", "mend_subject"]

_UTF_8 = "ISO_IR 192"
_NAME_COMPONENTS = 5
_SEXES = frozenset({"", "M", "F", "O"})

_REQUIRED = (  # type 2: an element must be there, be it empty
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_OPTIONAL = (
    "IssuerOfPatientID",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyDescription",
    "InstitutionName",
    "Manufacturer",
    "ManufacturerModelName",
    "PositionReferenceIndicator",
)
_EQUIPMENT = ("Manufacturer", "ManufacturerModelName", "PositionReferenceIndicator")

SUBJECT_KEYWORDS = (*_REQUIRED, *_OPTIONAL, "SpecificCharacterSet")
"""Elements that `mend_subject` looks at."""


def mend_subject(header: Dataset, *, pseudonym: str | None = None) -> tuple[Dataset, list[str]]:
    """Copy patient, study and equipment, repaired.

    Args:
        header: with `SUBJECT_KEYWORDS`, as far as the file has them.
        pseudonym: replaces name and ID. Everything else except the equipment is then left empty.

    Returns:
        The elements, those of type 2 always, text as UTF-8, and a sentence for each that was changed.

    Raises:
        ConfigError: a pseudonym that DICOM cannot hold.
    """
    if pseudonym is not None and not (pseudonym.strip() and _is_valid("LO", pseudonym) and _is_valid("PN", pseudonym)):
        raise ConfigError("a pseudonym must be 1 to 64 characters without backslash or line break")
    subject, faults = Dataset(), []
    subject.SpecificCharacterSet = _UTF_8
    for keyword in (*_REQUIRED, *_OPTIONAL):
        value, fault = "", None
        if pseudonym is None or keyword in _EQUIPMENT:
            value, fault = _mend(header, keyword)
        if value or keyword in _REQUIRED:
            setattr(subject, keyword, value)
        if fault:
            faults.append(fault)
    if pseudonym is not None:
        subject.PatientName = subject.PatientID = pseudonym
    return subject, faults


def _mend(header: Dataset, keyword: str) -> tuple[str, str | None]:
    """An element's value fit to be written, empty where there is none, and a sentence where it was changed."""
    if keyword not in header:
        return "", f"{keyword} is missing: left empty" if keyword in _REQUIRED else None
    if keyword == "PatientID":
        return _keep(header)
    try:
        element = header[keyword]
        value = element.value
        stated = "\\".join(map(str, value)) if isinstance(value, MultiValue | list) else str(value or "")
    except (ValueError, TypeError, NotImplementedError):
        return "", f"{keyword} cannot be read: left empty"
    clean = "".join(c if c.isprintable() and c not in "\\\ufffd" else " " for c in stated).strip()
    if not _is_valid(element.VR, clean) or (keyword == "PatientSex" and clean not in _SEXES):
        return "", f"{keyword} is not valid: left empty"
    changed = clean != stated.strip(" \0")
    return clean, f"{keyword} held characters that DICOM forbids: replaced by spaces" if changed else None


def _keep(header: Dataset) -> tuple[str, str | None]:
    stated = header["PatientID"].value
    value = "\\".join(stated) if isinstance(stated, MultiValue | list) else str(stated or "")
    valid = _is_valid("LO", value)
    return value, None if valid else "PatientID is not valid: kept, so that the objects stay with their patient"


def _is_valid(vr: str, value: str) -> bool:
    """Whether a text may stand in an element of this value representation. An empty one may.

    >>> _is_valid("DA", "20120229"), _is_valid("DA", "20120000"), _is_valid("SH", "longer than 16 characters")
    (True, False, False)
    """
    try:
        validate_value(vr, value, RAISE)
        if value:
            {"DA": DA, "TM": TM, "DS": float}.get(vr, str)(value)
    except (ValueError, OverflowError):
        return False
    parts_fit = vr != "PN" or all(group.count("^") < _NAME_COMPONENTS for group in value.split("="))
    return parts_fit and value.isprintable() and "\\" not in value
