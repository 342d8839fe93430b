"""A case's results as they lie in its folder, to be made again with other labels or choices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.images import read_own_images
from pipeline.app.results import MEASUREMENTS, SEGMENTATION, read_record
from pipeline.core.case import Case, Provenance, Source
from pipeline.core.certainty import NetworkReport
from pipeline.core.digests import labels_digest
from pipeline.core.errors import GridError, InputError
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.core.review import Review
from pipeline.measure.prior import renew_prior
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

    @property
    def is_keyed(self) -> bool:
        """Whether the case is under a pseudonym."""
        return self.pseudonym is not None

    def of(self, source: Source) -> Result:
        """The same with another statement of its images, as of their subject."""
        return replace(self, source=source, provenance=replace(self.provenance, source=source))

    def read_images(self, images: Path | None = None, *, series_uid: str | None = None) -> Cine:
        """The very images that were segmented, see `app.images.read_own_images`."""
        return read_own_images(self.folder, self.source, images, keyed=self.is_keyed, series_uid=series_uid)

    def read_labels(self, cine: Cine) -> np.ndarray:
        """The label map as it is now, (T, X, Y, Z) uint8 on the images' grid.

        Raises:
            InputError, LabelError, GridError: it cannot be read, or is not of these images.
        """
        path = self.folder / SEGMENTATION
        return on_grid(read_label(path, scheme="cmr"), cine, path)

    def again(self, cine: Cine, labels: np.ndarray, choices: Choices, review: Review) -> Case:
        """The case with these labels, measured anew. The network's confidence holds for its own labels alone.

        A comparison with a prior study stays, with the prior's values of then.

        Raises:
            GridError, ConfigError: what `measure.study.measure_study` refuses.
        """
        drawn = self.provenance.labels_sha256
        edited = labels_digest(labels) != drawn
        measured = measure_study(
            cine,
            labels,
            told=self._told().of_other_labels() if edited else self._told(),
            choice=choices.phases,
            excluded_slices=review.excluded_slices,
        )
        earlier = self.measurements
        if earlier.prior is not None:
            measured = replace(measured, prior=renew_prior(measured, earlier.prior, papillary=earlier.papillary))
        corrected = self.corrected if drawn is None else edited
        name = self.folder.resolve().name
        return Case(name, cine, labels, measured, self.provenance, corrected, self.pseudonym, review)

    def _told(self) -> NetworkReport:
        """What the network told of its own labels."""
        measured = self.measurements
        return NetworkReport(measured.confidence, measured.certainty, measured.pose)


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
