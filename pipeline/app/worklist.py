"""The worklist of a folder of results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pipeline.app.predict import CaseResult
from pipeline.app.results import MEASUREMENTS
from pipeline.write.worklist import Study, write_worklist

__all__ = ["update_worklist"]


def update_worklist(out: Path, failed: Iterable[CaseResult] = ()) -> Path:
    """Write `index.html` of all cases that lie in a folder, and of those that just failed.

    Args:
        out: folder of the cases' folders.
        failed: cases without results, with their `error`.

    Returns:
        The page.
    """
    errors = {result.name: result.error for result in failed}
    studies = [
        Study(path.parent.name, _report(path.parent), json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(out.glob(f"*/{MEASUREMENTS}"))
        if path.parent.name not in errors
    ]
    studies += [Study(name, error=error) for name, error in errors.items()]
    return write_worklist(out / "index.html", studies)


def _report(folder: Path) -> str | None:
    return f"{folder.name}/report.html" if (folder / "report.html").is_file() else None
