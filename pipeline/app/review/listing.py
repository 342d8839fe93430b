"""A case as a row of the worklist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.app.results import MEASUREMENTS, read_record
from pipeline.app.review.draft import has_draft
from pipeline.core.errors import InputError
from pipeline.core.measurements import Function, Measurements
from pipeline.core.review import Review
from pipeline.write.pages.worklist import Study

__all__ = ["list_case"]

_REASONS = 2


def list_case(folder: Path) -> tuple[Study, dict[str, Any]] | None:
    """A case for the worklist, and its row.

    Args:
        folder: of the case.

    Returns:
        `None` for a folder that is only bound to its study, or whose bundle measures nothing.
    """
    row: dict[str, Any] = {"name": folder.name, "draft": has_draft(folder)}
    if not folder.name.isprintable():  # bytes that are no text would break the whole list
        name = folder.name.encode("utf-8", "replace").decode()
        return _failed(row | {"name": name}, "a case's name must be text that can be printed; rename its folder")
    try:
        record = read_record(folder / MEASUREMENTS)
        if "source" in record and "kind" not in record:
            return _failed(row, str(record["failed"]["error"])) if "failed" in record else None
        measured, review = Measurements.from_json(record), Review.from_json(record["review"])
    except (InputError, KeyError, TypeError, AttributeError):
        return _failed(row, "results must be complete to be reviewed; segment the case again")
    study = Study(folder.name, measured=measured)
    return study, row | _row(study, review)


def _failed(row: dict[str, Any], sentence: str) -> tuple[Study, dict[str, Any]]:
    study = Study(row["name"], error=sentence)
    return study, row | _row(study, Review()) | {"status": "failed", "reasons": [sentence]}


def _row(study: Study, review: Review) -> dict[str, Any]:
    left = _function(study.measured, "left_ventricle")
    right = _function(study.measured, "right_ventricle")
    return {
        "verdict": study.verdict,
        "reasons": [flag.message for flag in study.flags[:_REASONS]],
        "status": review.status,
        "reader": review.reader,
        "time": review.time,
        "comment": review.comment,
        "ef_percent": left and left.ef_percent,
        "edv_ml": left and left.edv_ml,
        "esv_ml": left and left.esv_ml,
        "rv_ef_percent": right and right.ef_percent,
    }


def _function(measured: Measurements | None, name: str) -> Function | None:
    return None if measured is None else measured.function(name)
