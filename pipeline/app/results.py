"""All that is written of a case beside its label map: measurements, DICOM objects and the report."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.app.identity import identity_of
from pipeline.core.errors import InputError, PipelineError, UnreadableError
from pipeline.core.images import Cine
from pipeline.measure.measurements import PhaseChoice
from pipeline.write.dicom_headers import source_headers
from pipeline.write.dicom_seg import Algorithm, write_segmentations
from pipeline.write.dicom_sr import write_measurement_report
from pipeline.write.report import write_report

__all__ = [
    "MEASUREMENTS",
    "SEGMENTATION",
    "SOURCE",
    "Choices",
    "clear_results",
    "labels_digest",
    "read_record",
    "software_versions",
    "write_results",
]

SEGMENTATION = "segmentation.nii.gz"
MEASUREMENTS = "measurements.json"
SOURCE = "source.json"
"""What `cmr report` needs of a case: where its images lie (paths not to be passed on), or its pseudonym."""
_WRITTEN = ("seg.dcm", "seg_ed.dcm", "seg_es.dcm", "seg_phase_*.dcm", "sr.dcm", "report.html")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """What the user asks for beyond a plain segmentation.

    Attributes:
        phases: phases given rather than found, and the formula of the body surface.
        all_phases: a DICOM segmentation of every phase.
        objects: DICOM segmentations, structured report and HTML report at all.
        identify: print the patient's name, ID and birth date in the report.
        pseudonym: stands for the patient in DICOM objects; `None` leaves the source's own.
    """

    phases: PhaseChoice = field(default_factory=PhaseChoice)
    all_phases: bool = False
    objects: bool = True
    identify: bool = False
    pseudonym: str | None = None


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
    clear_results(folder)
    complete = dict(measured)
    if choices.objects:
        complete["notes"] = [*measured["notes"], *_write_objects(folder, cine, labels, measured, choices)]
    text = json.dumps(complete, indent=2, allow_nan=False) + "\n"
    (folder / MEASUREMENTS).write_text(text, encoding="utf-8")
    if choices.objects:
        identity = identity_of(cine) if choices.identify else None
        write_report(folder / "report.html", cine, labels, complete, identity=identity)
    return complete


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


def _write_objects(
    folder: Path, cine: Cine, labels: np.ndarray, measured: Mapping[str, Any], choices: Choices
) -> list[str]:
    """Segmentations and structured report; sentences on what was repaired or left out."""
    if cine.sources is None:
        return ["no DICOM segmentation or structured report is written: the images are not DICOM"]
    bundle = measured["bundle"]
    algorithm = Algorithm(
        bundle["name"], bundle["version"], weights_sha256=bundle["weights_sha256"], corrected=measured["corrected"]
    )
    wanted = _phases_to_write(measured, choices)
    phases = {name: phase for name, phase in wanted.items() if labels[phase].any()}
    empty = [name for name in wanted if name not in phases]
    notes = [f"no DICOM segmentation of {', '.join(empty)}: nothing is labelled there"] if empty else []
    try:
        headers = source_headers(cine, pseudonym=choices.pseudonym)
        files = write_segmentations(folder, cine, labels, phases=phases, algorithm=algorithm, headers=headers)
        pair = {role: path for role, path in files.items() if role in ("ed", "es")}
        if pair:
            report = folder / "sr.dcm"
            write_measurement_report(report, cine, measured, segmentations=pair, algorithm=algorithm, headers=headers)
    except PipelineError as error:  # the measurements and the report are worth having without them
        _log.error("%s: not all DICOM objects are written: %s", folder.name, error)
        return [*notes, f"not all DICOM objects are written: {error}"]
    return [*headers.faults, *notes]


def _phases_to_write(measured: Mapping[str, Any], choices: Choices) -> dict[str, int]:
    """Name, as in the files' names, -> phase."""
    if "ed_phase" not in measured:
        return {"single": 0}
    named = {"ed": int(measured["ed_phase"]), "es": int(measured["es_phase"])}
    if choices.all_phases:
        named |= {f"phase_{phase:02d}": phase for phase in range(int(measured["n_phases"]))}
    return named


def labels_digest(labels: np.ndarray) -> str:
    """SHA-256 of a label map, to tell whether it was changed by hand."""
    return hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()


def software_versions() -> dict[str, str]:
    """Versions of what made the results."""
    packages = {name: version(name) for name in ("torch", "monai", "SimpleITK", "pydicom")}
    return {"cardiac-mr-pipeline": pipeline.__version__, "python": platform.python_version(), **packages}
