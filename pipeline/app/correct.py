"""Redo the results of a case after its label map was corrected by hand or with other phases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.folders import rewrite
from pipeline.app.images import read_own_images
from pipeline.app.results import MEASUREMENTS, SEGMENTATION, labels_digest, read_record, write_case
from pipeline.core.case import Case, Provenance, Source
from pipeline.core.errors import ConfigError, GridError, InputError
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Measurements
from pipeline.core.pose import PoseFinding
from pipeline.measure.study import measure_study
from pipeline.read.cine import read_label
from pipeline.read.dicom.segmentation import read_segmentation
from pipeline.read.formats import volume_kind

__all__ = ["report_again"]


def report_again(
    folder: Path,
    *,
    mask: Path | None = None,
    images: Path | None = None,
    series_uid: str | None = None,
    choices: Choices | None = None,
) -> Case:
    """Measure a case's label map again, and rewrite everything that depends on it.

    Args:
        folder: of the case, as written by `cmr segment`.
        mask: corrected labels, which replace `segmentation.nii.gz`: a NIfTI of all phases, or a DICOM Segmentation,
            whose phases alone are replaced. Without it, `segmentation.nii.gz` is taken as it is now.
        images: where the images lie now, be it among others; otherwise where they lay when the case was segmented.
        series_uid: which of the study's series was segmented; needed under a pseudonym, where one was named then.
        choices: as for a segmentation, over those that the case's record states; a pseudonym stays that of the case.

    Returns:
        The case as written. `corrected` is true if the labels are no longer the network's own. Their confidence is then
        unknown.

    Raises:
        InputError: no results there, not the images of this study any more, or a mask that cannot be read.
        GridError: a mask on another grid than the images.
        ConfigError: to name the patient of a case under a pseudonym.
    """
    choices, record = choices or Choices(), read_record(folder / MEASUREMENTS)
    provenance, source, before, pose = _of_the_run(record, folder / MEASUREMENTS)
    choices = choices.over(provenance.choices)
    provenance = replace(provenance, choices=choices.to_json())
    pseudonym = record["pseudonym"]
    if choices.identify and pseudonym is not None:
        raise ConfigError("a case under a pseudonym cannot name its patient")
    cine = read_own_images(folder, source, images, keyed=pseudonym is not None, series_uid=series_uid)
    path = folder / SEGMENTATION
    labels = _on_grid(read_label(path, scheme="cmr"), cine, path)
    if mask is not None:
        labels = _correct_labels(labels, cine, mask)
    corrected = record["corrected"] or labels_digest(labels) != provenance.labels_sha256
    sure = None if corrected else before
    measured = measure_study(cine, labels, confidence=sure, pose=pose, choice=choices.phases)

    def fill(new: Path) -> Case:
        case = Case(new.name, cine, labels, measured, provenance, corrected, pseudonym)
        return write_case(new, case, choices)

    return rewrite(folder, fill)


def _of_the_run(record: dict[str, Any], path: Path) -> tuple[Provenance, Source, np.ndarray | None, PoseFinding | None]:
    """What drew the labels, on which images, how sure it was, (T, structures), and in which pose it saw the slices."""
    try:
        provenance, measured = Provenance.from_json(record), Measurements.from_json(record)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError("results must be complete to be made again; segment the case anew", path) from error
    if provenance.source is None:
        raise InputError("results must say which images they are of; segment the case anew", path)
    if measured.confidence is None:
        return provenance, provenance.source, None, measured.pose
    columns = [measured.confidence[structure.name] for structure in STRUCTURES]
    confidence = np.array(columns, dtype=float).T  # `None` becomes NaN
    return provenance, provenance.source, confidence, measured.pose


def _on_grid(labels: Cine, cine: Cine, path: Path) -> np.ndarray:
    if labels.n_phases != cine.n_phases or not labels.grid.matches(cine.grid, tolerance_mm=0.1):
        raise GridError(
            f"a mask must be on the images' grid with {cine.n_phases} phase(s) of {cine.grid.shape}, "
            f"got {labels.n_phases} of {labels.grid.shape}, or another place in space [{path}]"
        )
    return np.asarray(labels.array, dtype=np.uint8)


def _correct_labels(labels: np.ndarray, cine: Cine, mask: Path) -> np.ndarray:
    if volume_kind(mask):
        return _on_grid(read_label(mask, scheme="cmr"), cine, mask)
    changed = labels.copy()
    for phase, of_phase in read_segmentation(mask, cine).items():
        changed[phase] = of_phase
    return changed
