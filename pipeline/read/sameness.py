"""What tells one study from another, so that results of the one never take the place of the other's.

A DICOM study is told by its StudyInstanceUID, and by its patient, for careless anonymisers give one UID to several.
Images without a UID are told by their content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["DIGITS", "digits_of", "identity_of_content", "identity_of_study", "states_study"]

DIGITS = (6, 16, 64)
"""Digits of an identity's digest that tell it from others of one name; more where fewer do not."""

_PATIENT_DIGITS = 12
_CHUNK = 1 << 20


def identity_of_study(uid: str, *, patient: str) -> str:
    """Identity of a DICOM study: its UID, and a few digits that tell patients of one UID apart.

    The digits are of PatientID and UID together, so that they are no key by which to find a patient's other studies.

    >>> identity_of_study("1.2.3", patient="")
    'study 1.2.3'
    >>> identity_of_study("1.2.3", patient="4711") != identity_of_study("1.2.3", patient="4712")
    True
    """
    if not patient:
        return f"study {uid}"
    return f"study {uid} patient {hashlib.sha256(f'{uid} {patient}'.encode()).hexdigest()[:_PATIENT_DIGITS]}"


def digits_of(identity: str, count: int) -> str:
    """The first hexadecimal digits of an identity's SHA-256: the same for one study wherever it is met.

    >>> digits_of("study 2", 6)
    '5d84bd'
    """
    return hashlib.sha256(identity.encode()).hexdigest()[:count]


def states_study(identity: str, uid: str) -> bool:
    """Whether an identity is of a study with this UID, whoever the patient.

    >>> states_study("study 1.2.3 patient 0a1b", "1.2.3"), states_study("study 1.2.34", "1.2.3")
    (True, False)
    """
    return identity.split()[:2] == identity_of_study(uid, patient="").split()


def identity_of_content(files: Iterable[Path]) -> str:
    """Identity of images without a UID: SHA-256 of what is in the files, in whatever order and under whatever names.

    Names and sizes would be cheaper and do not do: two patients' exports have the same of both, and an image that lacks
    its StudyInstanceUID alone may well be read. A file that cannot be opened counts by its path; it gets no results.
    """
    digests = "".join(sorted(map(_digest, files)))
    return "content " + hashlib.sha256(digests.encode("utf-8", "surrogateescape")).hexdigest()


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return f"unreadable {file.resolve()}"
    return digest.hexdigest()
