"""The patient's identity, which is shown only on request, or replaced by a pseudonym."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pydicom

from pipeline.core.errors import ConfigError
from pipeline.core.images import Cine
from pipeline.core.quiet import quiet_dicom
from pipeline.core.subject import Subject
from pipeline.read.dicom.headers import read_header, text
from pipeline.read.discover import CaseFiles

__all__ = [
    "conceal",
    "conceal_source",
    "conceal_subject",
    "identity_of",
    "keyed",
    "pseudonym_of",
    "unnamed",
    "with_pseudonym",
]

_UID = re.compile(r"(?<![\w.])[0-2](?:\.\d+){3,}(?![\w])")
_OLDEST_TOLD_YEARS = 90.0
_LENGTH = 10
"""Hexadecimal digits: two of a million patients get the same with a probability of one half."""


def identity_of(cine: Cine) -> dict[str, str]:
    """What tells who was scanned, where and when, as the images state it, and the date of today, the report's.

    Empty for other formats than DICOM. What the header does not state is left out.
    """
    if cine.sources is None:
        return {}
    with quiet_dicom():
        header = pydicom.dcmread(cine.sources[0][0].path, stop_before_pixels=True)
        found = {
            "name": str(header.get("PatientName") or ""),
            "id": str(header.get("PatientID") or ""),
            "birth_date": _readable_date(str(header.get("PatientBirthDate") or "")),
            "study_date": _readable_date(str(header.get("StudyDate") or "")),
            "report_date": date.today().isoformat(),
            "institution": str(header.get("InstitutionName") or ""),
        }
    return {key: value for key, value in found.items() if value}


def _readable_date(stated: str) -> str:
    """A DICOM date as ISO 8601 has it; as it is stated where it is none.

    >>> _readable_date("19501231"), _readable_date("20120000")
    ('1950-12-31', '20120000')
    """
    try:
        return datetime.strptime(stated, "%Y%m%d").date().isoformat()
    except ValueError:
        return stated


def pseudonym_of(patient_id: str, *, secret: str) -> str:
    """A name that is always the same for one patient and secret, and reveals neither (HMAC with SHA-256, RFC 2104).

    Without the secret it cannot be found by trying all IDs.

    >>> pseudonym_of("4711", secret="a") == pseudonym_of("4711", secret="a") != pseudonym_of("4711", secret="b")
    True
    """
    return "P-" + keyed(patient_id, secret=secret)[:_LENGTH]


def with_pseudonym(case: CaseFiles, *, secret: str) -> tuple[CaseFiles, str]:
    """The case named by its patient's pseudonym and a few digits of its study, and the pseudonym itself.

    Its identity still distinguishes the study from others, but neither UID nor patient can be found from it.

    Raises:
        ConfigError: no DICOM, or no PatientID to replace.
    """
    for file in case.files if case.kind == "dicom" else ():
        patient, study = _ids(file)
        if patient:
            pseudonym = pseudonym_of(patient, secret=secret)
            name = f"{pseudonym}-{pseudonym_of(study, secret=secret)[2:6]}"
            return replace(_keyed_case(case, secret), name=name), pseudonym
    raise ConfigError(f"a pseudonym stands for a DICOM PatientID, got none in {len(case.files)} file(s)")


def unnamed(case: CaseFiles, *, secret: str) -> CaseFiles:
    """The case under a neutral name, where no pseudonym can be made for it."""
    return replace(_keyed_case(case, secret), name="unnamed")


def keyed(plain: str, *, secret: str) -> str:
    """Digest of a text (HMAC with SHA-256, hexadecimal) on which nothing can be tried without the secret."""
    return hmac.new(secret.encode(), plain.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def conceal_source(sentence: str, files: Iterable[Path]) -> str:
    """Take UIDs out of a sentence, and the files' names and paths of their folders, for these often name a patient.

    A file name of digits alone is kept, since it cannot be distinguished from a count.

    >>> conceal_source("series 1.2.840.7 cannot be decoded [/in/Doe/a1.dcm]", [Path("/in/Doe/a1.dcm")])
    'series ... cannot be decoded [...]'
    """
    files = list(files)
    paths = {str(place) for file in files for place in (file, *file.parents)}
    known = {path for path in paths if len(Path(path).parts) > 1}  # "data" alone is a word as well
    known |= {file.name for file in files if not file.name.isdigit()}
    if not known:
        return _UID.sub("...", sentence)
    longest_first = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return _UID.sub("...", re.sub(rf"(?<![\w.-])(?:{longest_first})(?![\w-])", "...", sentence))


def conceal(cine: Cine, files: Iterable[Path]) -> Cine:
    """The cine as results under a pseudonym may tell of it: no files and UIDs in its notes, and no age above 90.

    Few live that long, so an age above 89 may tell who it is (45 CFR 164.514(b)(2)(i)(C), "Safe Harbor").
    """
    files, facts = list(files), cine.facts
    notes = tuple(conceal_source(note, files) for note in cine.notes)
    told = _told_age(facts.age_years)
    if told == facts.age_years:
        return replace(cine, notes=notes)
    note = f"an age above {_OLDEST_TOLD_YEARS:g} years is stated as that"
    return replace(cine, facts=replace(facts, age_years=told), notes=(*notes, note))


def conceal_subject(subject: Subject) -> Subject:
    """The subject as a record under a pseudonym may state it, see `conceal`."""
    return replace(subject, age_years=_told_age(subject.age_years))


def _told_age(age_years: float | None) -> float | None:
    return None if age_years is None else min(age_years, _OLDEST_TOLD_YEARS)


def _keyed_case(case: CaseFiles, secret: str) -> CaseFiles:
    return replace(case, identity=f"keyed {keyed(case.identity, secret=secret)}")


def _ids(file: Path) -> tuple[str, str]:
    with quiet_dicom():
        header = read_header(file, tags=("PatientID", "StudyInstanceUID"))
        if header is None:
            return "", ""
        return text(header.elements, "PatientID") or "", text(header.elements, "StudyInstanceUID") or ""
