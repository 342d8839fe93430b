"""The worklist of a folder of results."""

from __future__ import annotations

import time
from pathlib import Path

from pipeline.app.results import MEASUREMENTS, WORKLIST, read_record
from pipeline.core.errors import InputError
from pipeline.core.measurements import Measurements
from pipeline.write.pages.worklist import Study, write_worklist

__all__ = ["LiveWorklist", "update_worklist"]

_SHARE = 0.05
"""Of a run's time that may go into the list while it grows."""


def update_worklist(out: Path) -> Path:
    """Write `index.html` of all cases that lie in a folder, those that failed among them.

    Args:
        out: folder of the cases' folders.

    Returns:
        The page.
    """
    folders = [path.parent for path in sorted(out.glob(f"*/{MEASUREMENTS}"))]
    return write_worklist(out / WORKLIST, [study for folder in folders if (study := _study(folder)) is not None])


class LiveWorklist:
    """The worklist of a run, written as cases are finished, so that a run that is killed leaves it, too.

    The more cases there are, the longer writing it takes and the seldomer that is done. A case of everyday length is
    always worth it.

    Args:
        out: folder of the cases' folders.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._due = 0.0

    def update(self) -> None:
        """Write the list if it is worth it by now."""
        start = time.monotonic()
        if start < self._due:
            return
        update_worklist(self.out)
        end = time.monotonic()
        self._due = end + (end - start) / _SHARE


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
    report = folder / "report.html"
    if error is not None:
        error = f"the last attempt failed, and these are the results of an earlier one: {error}"
    return Study(folder.name, f"{folder.name}/{report.name}" if report.is_file() else None, measured, error)
