"""The DICOM objects of a case: which of them are written, and what is told of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.choices import Choices
from pipeline.core.errors import PipelineError
from pipeline.core.images import Cine
from pipeline.write.dicom_headers import source_headers
from pipeline.write.dicom_seg import Algorithm, write_segmentations
from pipeline.write.dicom_sr import write_measurement_report

__all__ = ["write_objects"]

_log = logging.getLogger(__name__)


def write_objects(
    folder: Path, cine: Cine, labels: np.ndarray, measured: Mapping[str, Any], choices: Choices
) -> list[str]:
    """Write a case's DICOM segmentations and structured report, where its images are DICOM.

    Args:
        folder: of the case; it exists.
        cine: the images.
        labels: (T, X, Y, Z) uint8 on the cine's grid.
        measured: the measurements object.
        choices: what the user asks for.

    Returns:
        Sentences on what was repaired or left out.
    """
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
