"""The results of a case once more, after its label map was corrected by hand or its phases were chosen otherwise."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.images import read_own_images
from pipeline.app.results import MEASUREMENTS, SEGMENTATION, SOURCE, labels_digest, read_record, write_results
from pipeline.core.errors import ConfigError, GridError, InputError
from pipeline.core.images import Cine
from pipeline.measure.measurements import measure_cine
from pipeline.measure.quality import assess_quality
from pipeline.read.cine import read_label
from pipeline.read.nifti import is_nifti, nifti_shape
from pipeline.read.segmentation import read_segmentation
from pipeline.write.nifti import write_label_map

__all__ = ["report_again"]

_OF_THE_RUN = ("case", "software", "bundle", "settings")
"""Entries of the measurements that tell of the segmentation, which stay."""


def report_again(
    folder: Path, *, mask: Path | None = None, images: Path | None = None, choices: Choices | None = None
) -> dict[str, Any]:
    """Measure a case's label map anew, and write everything that follows from it.

    Args:
        folder: of the case, as `cmr segment` leaves it.
        mask: corrected labels, which replace `segmentation.nii.gz`: a NIfTI of all phases, or a DICOM Segmentation,
            whose phases alone are replaced. Without it, `segmentation.nii.gz` is taken as it is now.
        images: where the images lie now, be it among others; otherwise where they lay when the case was segmented.
        choices: as for a segmentation; a pseudonym stays the one that the case has.

    Returns:
        The measurements object as written; `corrected` tells whether the labels are no longer the network's own, of
        which then no confidence is known.

    Raises:
        InputError: no results there, no images of this study any more, or a mask that cannot be read.
        GridError: a mask on another grid than the images.
        ConfigError: to name the patient of a case under a pseudonym.
    """
    before, source = read_record(folder / MEASUREMENTS), read_record(folder / SOURCE)
    if not set(_OF_THE_RUN) <= set(before):
        raise InputError("results must be complete to be made again; segment the case anew", folder / MEASUREMENTS)
    if images is None and not source["files"]:
        raise InputError("a case under a pseudonym does not know its images; name them (`--images`)", folder / SOURCE)
    cine = read_own_images(folder, source, images)
    choices = replace(choices or Choices(), pseudonym=source["pseudonym"])
    if choices.identify and choices.pseudonym is not None:
        raise ConfigError("a case under a pseudonym cannot name its patient")
    path = folder / SEGMENTATION
    labels = _on_grid(read_label(path, scheme="cmr"), cine, path)
    if mask is not None:
        labels = _corrected(labels, cine, mask)
        n_axes = len(nifti_shape(str(path)))
        write_label_map(path, labels, affine=cine.grid.affine, times_ms=cine.times_ms, n_axes=n_axes)
    corrected = bool(before.get("corrected")) or labels_digest(labels) != source["labels_sha256"]
    measured = measure_cine(labels, cine.grid, times_ms=cine.times_ms, facts=cine.facts, choice=choices.phases)
    measured["notes"] = [*cine.notes, *measured["notes"]]
    measured["confidence"] = None if corrected else before.get("confidence")
    quality = assess_quality(labels, cine.grid, measured, confidence=measured["confidence"])
    measured |= {"quality": asdict(quality), "corrected": corrected}
    measured |= {key: before[key] for key in _OF_THE_RUN}
    return write_results(folder, cine, labels, measured, choices)


def _on_grid(labels: Cine, cine: Cine, path: Path) -> np.ndarray:
    if labels.n_phases != cine.n_phases or not labels.grid.matches(cine.grid, tolerance_mm=0.1):
        raise GridError(
            f"a mask must be on the images' grid with {cine.n_phases} phase(s) of {cine.grid.shape}, "
            f"got {labels.n_phases} of {labels.grid.shape}, or another place in space [{path}]"
        )
    return np.asarray(labels.array, dtype=np.uint8)


def _corrected(labels: np.ndarray, cine: Cine, mask: Path) -> np.ndarray:
    if is_nifti(str(mask)):
        return _on_grid(read_label(mask, scheme="cmr"), cine, mask)
    changed = labels.copy()
    for phase, of_phase in read_segmentation(mask, cine).items():
        changed[phase] = of_phase
    return changed
