"""All files of a case: label map, measurements, DICOM objects (`app.objects`) and the report."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.app.choices import Choices
from pipeline.app.identity import conceal_source, identity_of
from pipeline.core.case import Case, Source
from pipeline.core.digests import file_digest
from pipeline.core.errors import InputError, PipelineError, UnreadableError
from pipeline.core.files import write_text
from pipeline.core.images import Cine
from pipeline.write.nifti import write_label_map

__all__ = [
    "MEASUREMENTS",
    "SEGMENTATION",
    "THUMBNAIL",
    "WORKLIST",
    "is_product",
    "is_result",
    "owner_of",
    "read_record",
    "software_versions",
    "write_case",
    "write_labels",
    "write_record",
]

SEGMENTATION = "segmentation.nii.gz"
MEASUREMENTS = "measurements.json"
"""The record of a case: whose the folder is, what was measured, and what made it."""
THUMBNAIL = "thumbnail.jpg"
"""Of the case, for the worklist."""
WORKLIST = "index.html"
"""Next to the cases' folders."""
_WRITTEN = (
    *(SEGMENTATION, MEASUREMENTS, "report.html", THUMBNAIL, f"{MEASUREMENTS}.*.partial"),
    *("seg.dcm", "seg_ed.dcm", "seg_es.dcm", "seg_phase_*.dcm", "sr.dcm", "report.dcm"),
)


def write_case(folder: Path, case: Case, choices: Choices) -> Case:
    """Write a case's label map and measurements, and its DICOM objects and report if requested.

    Args:
        folder: of the case, which exists and has none of these files yet.
        case: the case.
        choices: the user's choices.

    Returns:
        The case as written, with notes on the repairs for the DICOM objects.
    """
    write_labels(folder, case.cine, case.labels)
    case = replace(case, choices=choices.to_json())
    if choices.objects:
        from pipeline.app.objects import write_objects  # not always needed, and highdicom is slow to load

        notes = (*case.measurements.notes, *_conceal(write_objects(folder, case, choices), case))
        case = replace(case, measurements=replace(case.measurements, notes=notes))

        from pipeline.write.pages.report import write_report

        identity = identity_of(case.cine) if choices.identify else None
        thumbnail = folder / THUMBNAIL
        write_report(folder / "report.html", case, identity=identity, worklist=f"../{WORKLIST}", thumbnail=thumbnail)
    write_record(folder, case.to_json())  # last, for it states all other files
    return case


def write_labels(folder: Path, cine: Cine, labels: np.ndarray) -> None:
    """Write a label map on its cine's grid, in the axes of the cine's file and in their order."""
    path = folder / SEGMENTATION
    stored = {"n_axes": cine.n_axes, "slice_axis": cine.slice_axis}
    write_label_map(path, labels, affine=cine.grid.affine, times_ms=cine.times_ms, **stored)


def write_record(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a case's record, whole or not at all: without the identity in it the folder would be nobody's.

    The record states the digests of the case's other files, so that a later run sees whether they are whole.

    Args:
        folder: of the case; it exists.
        content: the record; where it names no source, the folder stays of the study that it is of; where it states no
            files, those are stated that lie there now.

    Raises:
        InputError: the folder is of another study.
    """
    owner = owner_of(folder)
    if owner is not None:
        source = content.get("source") or asdict(Source(owner))
        if source["identity"] != owner:
            raise InputError("a case's folder must be of its own study, this one is of another", folder)
        content = {**content, "source": source}
    files = {path.name: file_digest(path) for path in sorted(folder.iterdir()) if is_product(path.name)}
    content = {**content, "files": files} if files and "files" not in content else content
    write_text(folder / MEASUREMENTS, json.dumps(content, indent=2, allow_nan=False) + "\n")


def owner_of(folder: Path) -> str | None:
    """Identity of the study that a folder is bound to; `None` where it is bound to none, or cannot be read."""
    try:
        return str(read_record(folder / MEASUREMENTS)["source"]["identity"])
    except (PipelineError, OSError, KeyError, TypeError):
        return None


def is_result(name: str) -> bool:
    """Whether a file of this name in a case's folder is ours. All others are the user's."""
    return any(fnmatch(name, pattern) for pattern in _WRITTEN)


def is_product(name: str) -> bool:
    """Whether it is one of ours besides the record."""
    return is_result(name) and not name.startswith(MEASUREMENTS)


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


def software_versions() -> dict[str, str]:
    """Versions of the software behind the results."""
    packages = {name: version(name) for name in ("torch", "monai", "SimpleITK", "pydicom")}
    return {"cardiac-mr-pipeline": pipeline.__version__, "python": platform.python_version(), **packages}


def _conceal(notes: list[str], case: Case) -> list[str]:
    """What the DICOM objects' writers tell, without files and UIDs where the case has a pseudonym."""
    if case.pseudonym is None or case.cine.sources is None:
        return notes
    files = {Path(frame.path) for row in case.cine.sources for frame in row}
    return [conceal_source(note, files) for note in notes]
