"""All that is written of a case beside its label map: measurements, DICOM objects (`app.objects`) and the report."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.app.choices import Choices
from pipeline.app.identity import identity_of
from pipeline.core.errors import InputError, UnreadableError
from pipeline.core.images import Cine

__all__ = [
    "MEASUREMENTS",
    "SEGMENTATION",
    "SOURCE",
    "WORKLIST",
    "clear_results",
    "labels_digest",
    "read_record",
    "software_versions",
    "write_measurements",
    "write_results",
    "write_source",
]

SEGMENTATION = "segmentation.nii.gz"
MEASUREMENTS = "measurements.json"
SOURCE = "source.json"
"""Whose the folder is, and what `cmr report` needs: where the images lie (not to be passed on), or the pseudonym."""
WORKLIST = "index.html"
"""Beside the cases' folders."""
_WRITTEN = ("seg.dcm", "seg_ed.dcm", "seg_es.dcm", "seg_phase_*.dcm", "sr.dcm", "report.html")


def write_results(
    folder: Path, cine: Cine, labels: np.ndarray, measured: Mapping[str, Any], choices: Choices
) -> dict[str, Any]:
    """Write a case's measurements, DICOM segmentations and structured report where the source is DICOM, and its report.

    What an earlier run left of these files is removed first, so that all belong together.

    Args:
        folder: of the case; it exists.
        cine: the images.
        labels: (T, X, Y, Z) uint8 on the cine's grid.
        measured: the measurements object, with `case`, `bundle`, `software` and `settings`.
        choices: what the user asks for.

    Returns:
        The measurements object as written: notes on what the DICOM objects repaired are added.
    """
    from pipeline.app.objects import write_objects  # not always needed, and highdicom is slow to load
    from pipeline.write.report import write_report

    clear_results(folder)
    notes = write_objects(folder, cine, labels, measured, choices)
    complete = write_measurements(folder, dict(measured) | {"notes": [*measured["notes"], *notes]})
    identity = identity_of(cine) if choices.identify else None
    write_report(folder / "report.html", cine, labels, complete, identity=identity)
    return complete


def write_measurements(folder: Path, measured: dict[str, Any]) -> dict[str, Any]:
    """Write a case's measurements alone, and return them."""
    text = json.dumps(measured, indent=2, allow_nan=False) + "\n"
    (folder / MEASUREMENTS).write_text(text, encoding="utf-8")
    return measured


def write_source(folder: Path, source: Mapping[str, Any]) -> None:
    """Write a case's `source.json`, whole or not at all: without its `identity` the folder would be nobody's."""
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        written = Path(beside) / SOURCE
        written.write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")
        written.replace(folder / SOURCE)


def clear_results(folder: Path) -> None:
    """Remove DICOM objects and the report of an earlier run, which would be taken for this one's; nothing else."""
    for pattern in _WRITTEN:
        for old in folder.glob(pattern):
            old.unlink()


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object that `cmr segment` wrote.

    Raises:
        InputError: it is not there.
        UnreadableError: it is no JSON object.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("a folder written by `cmr segment` is needed, this file is not in it", path) from error
    except ValueError as error:
        raise UnreadableError("a record of `cmr segment` must be JSON, this one is not", path) from error
    if not isinstance(record, dict):
        raise UnreadableError("a record of `cmr segment` must be a JSON object, this one is not", path)
    return record


def labels_digest(labels: np.ndarray) -> str:
    """SHA-256 of a label map, to tell whether it was changed by hand."""
    return hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()


def software_versions() -> dict[str, str]:
    """Versions of what made the results."""
    packages = {name: version(name) for name in ("torch", "monai", "SimpleITK", "pydicom")}
    return {"cardiac-mr-pipeline": pipeline.__version__, "python": platform.python_version(), **packages}
