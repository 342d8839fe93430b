"""The head of a report: the patient, the study and how it was read, as groups of terms.

Without `--identify` nothing there identifies anybody: no name, number or institution, no date (that of the report is
mostly the study's), and no age above 89, which US law (45 CFR 164.514(b)(2), "Safe Harbor") counts among identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.core.case import Case
from pipeline.core.images import StudyFacts
from pipeline.core.measurements import Measurements
from pipeline.core.review import Review

__all__ = ["Group", "head_groups"]

Group = tuple[str, list[tuple[str, str]]]
"""Title, and (term, text) pairs."""

_OF_PATIENT = {"name": "Name", "id": "ID", "birth_date": "Birth date"}
_OF_STUDY = {"study_date": "Study date", "report_date": "Report date", "institution": "Institution"}
_SEXES = {"F": "female", "M": "male"}
_OLDEST_TOLD = 89
_KINDS = {"cine": "cine", "few_phases": "a few phases", "single_phase": "a single phase"}
_SOURCES = {"curve": "found from the volumes", "given": "given by the user"}
_BSA = {"mosteller": "Mosteller", "dubois": "DuBois"}


def head_groups(case: Case, identity: Mapping[str, str]) -> list[Group]:
    """Everything that the head states. What is not known is left out.

    Args:
        case: the case.
        identity: the patient's data to print, empty where nobody is to be named.
    """
    facts, measured = case.cine.facts, case.measurements
    groups = [
        ("Patient", [*_stated(identity, _OF_PATIENT), *_body(measured, identified=bool(identity))]),
        ("Study", [*_stated(identity, _OF_STUDY), *_scan(facts, measured)]),
        ("Reading", [*_reading(case), *_review(case.review, dated=bool(identity))]),
    ]
    return [(title, rows) for title, rows in groups if rows]


def _stated(identity: Mapping[str, str], terms: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(term, identity[key]) for key, term in terms.items() if identity.get(key)]


def _body(measured: Measurements, *, identified: bool) -> list[tuple[str, str]]:
    subject, bsa = measured.subject, measured.bsa_m2
    height, weight = subject.height_cm, subject.weight_kg
    rows = [
        ("Sex", None if subject.sex is None else _SEXES[subject.sex]),
        ("Age", _age(subject.age_years, identified=identified)),
        ("Height", None if height is None else f"{height:.0f} cm"),
        ("Weight", None if weight is None else f"{weight:.0f} kg"),
        ("Body surface", None if bsa is None else f"{bsa:.2f} m² ({_BSA.get(str(measured.bsa_method), '')})"),
        ("Heart rate", None if measured.heart_rate_bpm is None else f"{measured.heart_rate_bpm:.0f} /min"),
    ]
    return [(name, text) for name, text in rows if text]


def _age(years: float | None, *, identified: bool) -> str | None:
    """Whole years, or months of a small child.

    >>> _age(63.4, identified=False), _age(93.0, identified=False), _age(0.5, identified=False)
    ('63 years', '90 years or more', '6 months')
    """
    if years is None:
        return None
    if int(years) > _OLDEST_TOLD and not identified:
        return f"{_OLDEST_TOLD + 1} years or more"
    if years < 2:
        months = int(12 * years + 1e-6)
        return f"{months} month{'' if months == 1 else 's'}"
    return f"{int(years + 1e-6)} years"


def _scan(facts: StudyFacts, measured: Measurements) -> list[tuple[str, str]]:
    field = None if facts.field_strength_t is None else f"{facts.field_strength_t:g} T"
    maker = " ".join(part for part in (facts.manufacturer, facts.model) if part)
    rows = [
        ("Scanner", ", ".join(part for part in (maker, field) if part)),
        ("Images", _images(measured)),
        ("Voxels", " x ".join(f"{mm:.2f}" for mm in measured.spacing_mm) + " mm"),
    ]
    return [(name, text) for name, text in rows if text]


def _images(measured: Measurements) -> str:
    counts = [("phase", measured.n_phases), ("slice", measured.n_slices)]
    words = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts)
    kind = _KINDS.get(measured.kind, "")
    return f"{kind}: {words}" if kind else words


def _reading(case: Case) -> list[tuple[str, str]]:
    measured, bundle = case.measurements, case.provenance.bundle
    rows = [
        (name, f"phase {phase + 1}{_time(measured, phase)}{', ' + _SOURCES.get(source, source) if source else ''}")
        for name, phase, source in (
            ("End-diastole", measured.ed_phase, measured.ed_from),
            ("End-systole", measured.es_phase, measured.es_from),
        )
        if phase is not None
    ]
    drawn = f"{bundle.name} {bundle.version}"
    return [*rows, ("Outlines", f"{drawn}, corrected by hand" if case.corrected else f"{drawn}, not corrected")]


def _review(review: Review, *, dated: bool) -> list[tuple[str, str]]:
    """What a reader has decided; nothing where nobody has looked.

    >>> _review(Review("accepted", "AB", "2026-11-27T10:36:36Z"), dated=True)
    [('Review', 'accepted by AB, 2026-11-27')]
    """
    if review.status == "unreviewed":
        return []
    by = f" by {review.reader}" if review.reader else ""
    day = f", {review.time[:10]}" if review.time and dated else ""
    comment = [("Reader's comment", review.comment)] if review.comment else []
    return [("Review", f"{review.status}{by}{day}"), *comment]


def _time(measured: Measurements, phase: int) -> str:
    return "" if measured.times_ms is None else f" ({measured.times_ms[phase]:.0f} ms)"
