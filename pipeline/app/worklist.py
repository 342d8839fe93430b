"""The worklist of a folder of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.app.results import MEASUREMENTS, THUMBNAIL, WORKLIST, read_record
from pipeline.core.errors import InputError
from pipeline.core.measurements import Measurements
from pipeline.write.pages.worklist import REVIEWS, Study, write_worklist

__all__ = ["update_worklist"]


def update_worklist(out: Path) -> Path:
    """Write `index.html` of all cases that lie in a folder, those that failed among them.

    Args:
        out: folder of the cases' folders.

    Returns:
        The page.
    """
    folders = [path.parent for path in sorted(out.glob(f"*/{MEASUREMENTS}"))]
    return write_worklist(out / WORKLIST, [study for folder in folders if (study := _study(folder)) is not None])


def _study(folder: Path) -> Study | None:
    """A case; `None` for a folder that is only bound, or whose bundle measures nothing."""
    path = folder / MEASUREMENTS
    try:
        record = read_record(path)
        failure = record.get("failed")
        error = None if failure is None else str(failure["error"])
        if "source" in record and "kind" not in record:
            return None if error is None else Study(folder.name, error=error)
        measured = Measurements.from_json(record)
    except InputError as unreadable:
        return Study(folder.name, error=str(unreadable))
    except (KeyError, TypeError, AttributeError):
        return Study(folder.name, error=f"results must be complete to be listed; segment the case again [{path}]")
    if error is not None:
        error = f"the last attempt failed, and these are the results of an earlier one: {error}"
    report, thumbnail = (_address(folder, name) for name in ("report.html", THUMBNAIL))
    return Study(folder.name, report, measured, error, review=_review(record), thumbnail=thumbnail)


def _address(folder: Path, name: str) -> str | None:
    return f"{folder.name}/{name}" if (folder / name).is_file() else None


def _review(record: Mapping[str, Any]) -> str:
    """A reader's decision; a record that states none, or none that is known, has nobody's."""
    review = record.get("review")
    status = review.get("status") if isinstance(review, Mapping) else None
    return str(status) if status in REVIEWS else REVIEWS[0]
