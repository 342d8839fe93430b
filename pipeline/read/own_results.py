"""Which folders hold this program's own results, so that an OUT within INPUT is no input of the next run."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

__all__ = ["without_results"]

_LOGGER = logging.getLogger(__name__)
_RECORD = "measurements.json"


def without_results(files: Iterable[Path], *, root: Path) -> tuple[Path, ...]:
    """Leave out files in folders that are cases' results, with all below them: masks, DICOM objects, `history/`.

    Args:
        files: as found below `root`.
        root: what was asked for; a folder of results that is it, or lies above it, is looked into.
    """
    files = tuple(files)
    results = {file.parent for file in files if file.name == _RECORD and file.parent != root and _is_ours(file)}
    if not results:
        return files
    _LOGGER.warning("passed over %d folder(s) of results, as %s", len(results), min(results))
    return tuple(file for file in files if results.isdisjoint(file.parents))


def _is_ours(record: Path) -> bool:
    try:
        return "identity" in json.loads(record.read_text(encoding="utf-8"))["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
