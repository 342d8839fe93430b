"""The worklist of a folder of results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.app.predict import CaseResult
from pipeline.app.results import MEASUREMENTS, WORKLIST, read_record
from pipeline.core.errors import InputError
from pipeline.core.measurements import Measurements
from pipeline.write.pages.worklist import Study, write_worklist

__all__ = ["update_worklist"]


def update_worklist(out: Path, failed: Iterable[CaseResult] = ()) -> Path:
    """Write `index.html` of all cases that lie in a folder, and of those that just failed.

    Args:
        out: folder of the cases' folders.
        failed: cases without results, with their `error`.

    Returns:
        The page.
    """
    failed = list(failed)
    names = {result.name for result in failed}
    folders = [path.parent for path in sorted(out.glob(f"*/{MEASUREMENTS}")) if path.parent.name not in names]
    studies = [study for folder in folders if (study := _study(folder)) is not None]
    studies += [Study(result.name, error=result.error) for result in failed]  # those called "unnamed" each by itself
    return write_worklist(out / WORKLIST, studies)


def _study(folder: Path) -> Study | None:
    """A case with its results; `None` for a folder that is only bound, or whose bundle measures nothing."""
    path = folder / MEASUREMENTS
    try:
        record = read_record(path)
        if "source" in record and "kind" not in record:
            return None
        measured = Measurements.from_json(record)
    except InputError as error:
        return Study(folder.name, error=str(error))
    except (KeyError, TypeError, AttributeError):
        return Study(folder.name, error=f"results must be complete to be listed; segment the case again [{path}]")
    report = folder / "report.html"
    return Study(folder.name, f"{folder.name}/{report.name}" if report.is_file() else None, measured)
