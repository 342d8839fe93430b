"""Redo the results of a case after its label map was corrected by hand or with other phases."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.folders import rewrite
from pipeline.app.recorded import on_grid, read_result
from pipeline.app.results import write_case
from pipeline.app.review.draft import refuse_drafts
from pipeline.core.case import Case
from pipeline.core.digests import labels_digest
from pipeline.core.errors import ConfigError
from pipeline.core.images import Cine
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
    excluded_slices: Collection[int] | None = None,
) -> Case:
    """Measure a case's label map again, and rewrite everything that depends on it.

    Args:
        folder: of the case, as written by `cmr segment`.
        mask: corrected labels, which replace `segmentation.nii.gz`: a NIfTI of all phases, or a DICOM Segmentation,
            whose phases alone are replaced. Without it, `segmentation.nii.gz` is taken as it is now.
        images: where the images lie now, be it among others; otherwise where they lay when the case was segmented.
        series_uid: which of the study's series was segmented; needed under a pseudonym, where one was named then.
        choices: as for a segmentation; `None` keeps to those that the case has. A pseudonym always stays.
        excluded_slices: slices that nothing counts, 0-based; `None` keeps to those that the case has.

    Returns:
        The case as written. `corrected` is true if the labels are no longer the network's own. Their confidence is then
        unknown. What a reader had accepted or rejected is only "corrected" once the labels have changed.

    Raises:
        InputError: no results there, not the images of this study any more, a mask that cannot be read, or a correction
            that is being drawn.
        GridError: a mask on another grid than the images.
        ConfigError: to name the patient of a case under a pseudonym, or a slice that is not there.
    """
    refuse_drafts(folder)
    before = read_result(folder)
    choices = before.choices if choices is None else choices
    if choices.identify and before.pseudonym is not None:
        raise ConfigError("a case under a pseudonym cannot name its patient")
    cine = before.read_images(images, series_uid=series_uid)
    labels = before.read_labels(cine)
    if mask is not None:
        labels = _correct_labels(labels, cine, mask)
    review = before.review.of(labels_digest(labels), drawn_sha256=before.provenance.labels_sha256)
    if excluded_slices is not None:
        review = replace(review, excluded_slices=tuple(sorted(set(excluded_slices))))
    return rewrite(folder, lambda new: write_case(new, before.again(cine, labels, choices, review), choices))


def _correct_labels(labels: np.ndarray, cine: Cine, mask: Path) -> np.ndarray:
    if volume_kind(mask):
        return on_grid(read_label(mask, scheme="cmr"), cine, mask)
    changed = labels.copy()
    for phase, of_phase in read_segmentation(mask, cine).items():
        changed[phase] = of_phase
    return changed
