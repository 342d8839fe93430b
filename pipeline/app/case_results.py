"""What becomes of a case, and how an attempt that failed is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline.app.folders import claim_folder
from pipeline.app.results import MEASUREMENTS, read_record, write_record
from pipeline.core.errors import InputError
from pipeline.core.measurements import Measurements
from pipeline.read.discover import CaseFiles

__all__ = ["CaseResult", "record_failure", "result_on_disk"]


@dataclass(frozen=True)
class CaseResult:
    """Result of one case.

    Attributes:
        name: name of its folder in the output folder: the case's, with some digits if another study has that.
        folder: folder of its files.
        measurements: its measurements, or `None` if the case failed or the bundle measures nothing.
        record: the content of `measurements.json`, or `None` if the case failed.
        error: one sentence that says why the case failed, or `None` when it did not.
        skipped: why nothing was done, the results being those of before; `None` if the case was processed.
        seconds: the time it took, or `None` where nothing was done.
    """

    name: str
    folder: Path
    measurements: Measurements | None = None
    record: dict[str, Any] | None = None
    error: str | None = None
    skipped: str | None = None
    seconds: float | None = None


def result_on_disk(folder: Path, *, skipped: str | None = None) -> CaseResult:
    """The result that lies in a case's folder.

    Args:
        folder: of a case that has results.
        skipped: why nothing was done, if so.
    """
    record = read_record(folder / MEASUREMENTS)
    try:
        measured = Measurements.from_json(record) if "kind" in record else None
    except (KeyError, TypeError, AttributeError):  # of another version, and in a reader's hands
        measured = None
    return CaseResult(folder.name, folder, measured, record, skipped=skipped)


def record_failure(out: Path, case: CaseFiles, error: str) -> CaseResult:
    """Let the case's record state that the last attempt failed; results of an earlier one stay, and a success ends it.

    Args:
        out: folder of the cases' folders.
        case: the case, under the name that its results are to have.
        error: the sentence that says why.

    Raises:
        OSError: the record cannot be written.
    """
    try:
        folder = claim_folder(out, case)
    except InputError:  # every folder that it could have is taken
        return CaseResult(case.name, out / case.name, error=error)
    _note_failure(folder, {"error": error, "time": datetime.now(timezone.utc).isoformat(timespec="seconds")})
    return CaseResult(folder.name, folder, error=error)


def _note_failure(folder: Path, failed: Mapping[str, str]) -> None:
    record = read_record(folder / MEASUREMENTS)
    write_record(folder, record | {"failed": dict(failed)})
