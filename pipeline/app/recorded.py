"""A case's results as they lie in its folder, to be made again with other labels or choices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.images import read_own_images
from pipeline.app.results import MEASUREMENTS, SEGMENTATION, read_record
from pipeline.core.case import Case, Provenance, Source
from pipeline.core.digests import labels_digest
from pipeline.core.errors import GridError, InputError
from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Measurements
from pipeline.core.review import Review
from pipeline.measure.study import measure_study
from pipeline.read.cine import read_label

__all__ = ["Result", "on_grid", "read_result"]


@dataclass(frozen=True, eq=False)
class Result:
    """What the record of a case says.

    Attributes:
        folder: of the case.
        provenance: how its labels were made.
        source: its images.
        measurements: of its labels.
        corrected: whether the labels were edited by hand.
        pseudonym: stands for the patient in DICOM objects, if any.
        review: what a reader has decided.
        choices: what the user asked for.
    """

    folder: Path
    provenance: Provenance
    source: Source
    measurements: Measurements
    corrected: bool
    pseudonym: str | None
    review: Review
    choices: Choices

    def read_images(self, images: Path | None = None, *, series_uid: str | None = None) -> Cine:
        """The very images that were segmented, see `app.images.read_own_images`."""
        keyed = self.pseudonym is not None
        return read_own_images(self.folder, self.source, images, keyed=keyed, series_uid=series_uid)

    def read_labels(self, cine: Cine) -> np.ndarray:
        """The label map as it is now, (T, X, Y, Z) uint8 on the images' grid.

        Raises:
            InputError, LabelError, GridError: it cannot be read, or is not of these images.
        """
        path = self.folder / SEGMENTATION
        return on_grid(read_label(path, scheme="cmr"), cine, path)

    def again(self, cine: Cine, labels: np.ndarray, choices: Choices, review: Review) -> Case:
        """The case with these labels, measured anew. The network's confidence holds for its own labels alone.

        Raises:
            GridError, ConfigError: what `measure.study.measure_study` refuses.
        """
        drawn = self.provenance.labels_sha256
        edited = labels_digest(labels) != drawn
        measured = measure_study(
            cine,
            labels,
            confidence=None if edited else self._confidence(),
            pose=self.measurements.pose,
            choice=choices.phases,
            excluded_slices=review.excluded_slices,
        )
        corrected = self.corrected if drawn is None else edited
        name = self.folder.resolve().name
        return Case(name, cine, labels, measured, self.provenance, corrected, self.pseudonym, review)

    def _confidence(self) -> np.ndarray | None:
        """Expected Dice (T, structures) of the network's own labels, NaN where a structure is absent."""
        known = self.measurements.confidence
        if known is None:
            return None
        return np.array([known[structure.name] for structure in STRUCTURES], dtype=float).T  # `None` becomes NaN


def read_result(folder: Path) -> Result:
    """Read the record of a case.

    Raises:
        InputError: it is not there, or not complete.
        UnreadableError: it is no JSON object.
    """
    path = folder / MEASUREMENTS
    record = read_record(path)
    try:
        provenance, measured = Provenance.from_json(record), Measurements.from_json(record)
        review, choices = Review.from_json(record["review"]), Choices.from_json(record["choices"])
        corrected, pseudonym = bool(record["corrected"]), record["pseudonym"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError("results must be complete to be made again; segment the case anew", path) from error
    if provenance.source is None:
        raise InputError("results must say which images they are of; segment the case anew", path)
    return Result(folder, provenance, provenance.source, measured, corrected, pseudonym, review, choices)


def on_grid(labels: Cine, cine: Cine, path: Path) -> np.ndarray:
    """A label map that was read, (T, X, Y, Z) uint8.

    Raises:
        GridError: it is not on the images' grid.
    """
    if labels.n_phases != cine.n_phases or not labels.grid.matches(cine.grid, tolerance_mm=0.1):
        raise GridError(
            f"a mask must be on the images' grid with {cine.n_phases} phase(s) of {cine.grid.shape}, "
            f"got {labels.n_phases} of {labels.grid.shape}, or another place in space [{path}]"
        )
    return np.asarray(labels.array, dtype=np.uint8)
