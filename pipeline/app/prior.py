"""An earlier case of the same patient, to compare with. Another patient's is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pipeline.app.results import MEASUREMENTS, read_record
from pipeline.core.errors import InputError
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.core.prior import Prior, SamePatientBy
from pipeline.core.quiet import quiet_dicom
from pipeline.measure.prior import compare_with_prior
from pipeline.read.dicom.headers import read_header, text

__all__ = ["PriorChoice", "compare_with_case"]

_OBJECTS = ("sr.dcm", "seg_ed.dcm", "seg_es.dcm")
_TAGS = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate")
_TOLD_BY = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")


@dataclass(frozen=True)
class PriorChoice:
    """The case to compare with.

    Attributes:
        folder: of the prior case, as written by `cmr segment`.
        same_patient: whether the user says that it is of the same patient, whatever the files say.
    """

    folder: Path
    same_patient: bool = False


def compare_with_case(
    measured: Measurements, cine: Cine, chosen: PriorChoice, *, record: dict[str, Any], folder: Path
) -> Prior:
    """Compare a case with a prior one of the same patient.

    Patients are told by PatientID, its issuer, birth date and sex in the images and in the prior's DICOM objects, or by
    the pseudonym of both. None of these is stored.

    Args:
        measured: of the present case.
        cine: its images.
        chosen: the prior case.
        record: of the present case.
        folder: of the present case.

    Raises:
        InputError: no results there, or none with two phases; the same study; another patient, or one of whom nothing
            tells that it is the same, unless the user says so; another or no pseudonym for a case that has one.
    """
    path = chosen.folder / MEASUREMENTS
    then = read_record(path)
    before = _measurements(then, path)
    if folder.resolve() == chosen.folder.resolve() or _identity(record) == _identity(then):
        raise InputError("a prior must be another study than the one it is compared with", chosen.folder)
    now_header, then_header = _header_of_images(cine), _header_of_objects(chosen.folder)
    told_by = _same_patient_by(record.get("pseudonym"), then.get("pseudonym"), now_header, then_header)
    if record.get("pseudonym") and told_by != "pseudonym":
        raise InputError("a case under a pseudonym can only be compared with one under the same", chosen.folder)
    if told_by is None and not chosen.same_patient:
        reason = "it is another patient's" if _states_other(now_header, then_header) else "nothing in the files tells"
        raise InputError(
            f"a prior must be of the same patient, {reason}; if you know that it is, say so (`--same-patient`)",
            chosen.folder,
        )
    days = _days_between(then_header, now_header)
    notes = [f"the study called prior is later than this one, by {-days} days"] if days is not None and days < 0 else []
    name = chosen.folder.resolve().name
    return compare_with_prior(
        measured, before, case=name, same_patient_by=told_by or "user", interval_days=days, notes=notes
    )


def _measurements(record: dict[str, Any], path: Path) -> Measurements:
    try:
        measured = Measurements.from_json(record)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError("a prior's results must be complete; segment it anew", path) from error
    if measured.left is None:
        raise InputError("a prior must have end-diastole and end-systole, this one has a single phase", path)
    return measured


def _identity(record: dict[str, Any]) -> str | None:
    """What tells the study of a case from others, see `core.case.Source`."""
    source = record.get("source") or {}
    return source.get("identity")


def _same_patient_by(
    now: str | None, then: str | None, now_header: dict[str, str], then_header: dict[str, str]
) -> SamePatientBy | None:
    """What tells that two cases are of one patient; `None` if nothing does."""
    if now or then:
        return "pseudonym" if now == then else None
    if not now_header.get("PatientID") or not then_header.get("PatientID"):
        return None
    return None if _states_other(now_header, then_header) else "patient_id"


def _states_other(now: dict[str, str], then: dict[str, str]) -> bool:
    """Whether two headers state different patients. What one of them does not state, tells nothing."""
    return any(now.get(key) and then.get(key) and now[key] != then[key] for key in _TOLD_BY)


def _days_between(then: dict[str, str], now: dict[str, str]) -> int | None:
    dates = [_date(header.get("StudyDate", "")) for header in (then, now)]
    return None if dates[0] is None or dates[1] is None else (dates[1] - dates[0]).days


def _date(stated: str) -> date | None:
    try:
        return datetime.strptime(stated.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def _header_of_images(cine: Cine) -> dict[str, str]:
    return {} if cine.sources is None else _header(Path(cine.sources[0][0].path))


def _header_of_objects(folder: Path) -> dict[str, str]:
    """Of the case's DICOM objects, which state the patient as the images do; empty where none were written."""
    return next((_header(path) for name in _OBJECTS if (path := folder / name).is_file()), {})


def _header(path: Path) -> dict[str, str]:
    with quiet_dicom():
        header = read_header(path, tags=_TAGS)
        if header is None:
            return {}
        return {key: value.strip() for key in _TAGS if (value := text(header.elements, key))}
