"""All that is written of a case: label map, measurements, DICOM objects (`app.objects`) and the report."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.app.choices import Choices
from pipeline.app.identity import identity_of
from pipeline.core.case import Case
from pipeline.core.errors import InputError, UnreadableError
from pipeline.core.images import Cine
from pipeline.write.nifti import write_label_map

__all__ = [
    "MEASUREMENTS",
    "SEGMENTATION",
    "SOURCE",
    "WORKLIST",
    "is_result",
    "labels_digest",
    "read_record",
    "software_versions",
    "write_case",
    "write_labels",
    "write_source",
]

SEGMENTATION = "segmentation.nii.gz"
MEASUREMENTS = "measurements.json"
SOURCE = "source.json"
"""Whose the folder is, and what `cmr report` needs: where the images lie (not to be passed on), or the pseudonym."""
WORKLIST = "index.html"
"""Beside the cases' folders."""
_WRITTEN = (
    *(SEGMENTATION, MEASUREMENTS, SOURCE, "report.html"),
    *("seg.dcm", "seg_ed.dcm", "seg_es.dcm", "seg_phase_*.dcm", "sr.dcm"),
)


def write_case(folder: Path, case: Case, choices: Choices) -> Case:
    """Write a case's label map and measurements, and where asked for its DICOM objects and its report.

    Args:
        folder: of the case; it exists, and holds none of these files yet.
        case: the case.
        choices: what the user asks for.

    Returns:
        The case as written: notes on what the DICOM objects repaired are added.
    """
    write_labels(folder, case.cine, case.labels)
    if choices.objects:
        from pipeline.app.objects import write_objects  # not always needed, and highdicom is slow to load

        notes = (*case.measurements.notes, *write_objects(folder, case, choices))
        case = replace(case, measurements=replace(case.measurements, notes=notes))
    text = json.dumps(case.to_json(), indent=2, allow_nan=False) + "\n"
    (folder / MEASUREMENTS).write_text(text, encoding="utf-8")
    if choices.objects:
        from pipeline.write.pages.report import write_report

        identity = identity_of(case.cine) if choices.identify else None
        write_report(folder / "report.html", case, identity=identity)
    return case


def write_labels(folder: Path, cine: Cine, labels: np.ndarray) -> None:
    """Write a label map on its cine's grid, in the axes of the cine's file and in their order."""
    path = folder / SEGMENTATION
    stored = {"n_axes": cine.n_axes, "slice_axis": cine.slice_axis}
    write_label_map(path, labels, affine=cine.grid.affine, times_ms=cine.times_ms, **stored)


def write_source(folder: Path, source: Mapping[str, Any]) -> None:
    """Write a case's `source.json`, whole or not at all: without its `identity` the folder would be nobody's."""
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        written = Path(beside) / SOURCE
        written.write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")
        written.replace(folder / SOURCE)


def is_result(name: str) -> bool:
    """Whether a file of this name in a case's folder is ours; all others are the user's."""
    return any(fnmatch(name, pattern) for pattern in _WRITTEN)


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
