"""A case: a study's images, label map, measurements and provenance, the one input of all writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.core.review import Review, leave_out_slices
from pipeline.core.subject import Subject

__all__ = ["TRAINING_RUN", "BundleRecord", "Case", "InputFiles", "Provenance", "Source", "case_record"]

TRAINING_RUN = "training_run"
"""Entry of a trained bundle's metadata and of results: name of the run that made the weights."""


@dataclass(frozen=True)
class BundleRecord:
    """A bundle as results state it: name, version, the digest of its weights if they are one file, and their training.

    Attributes:
        training_run: name of the run that made the weights, as its `run.json` and MLflow have it; `None` where the
            bundle states none.
    """

    name: str
    version: str
    weights_sha256: str | None = None
    training_run: str | None = None


@dataclass(frozen=True)
class Source:
    """Whose images a label map is of, and which. Under a pseudonym it tells neither a UID nor a path.

    Attributes:
        identity: of the study, see `read.sameness`; under a pseudonym a keyed digest of it.
        path: where the images lay, file or folder; `None` under a pseudonym, or where it is not known.
        voxels_sha256: of the cine as it was read, without its header; `None` where nothing was read yet.
        series_uid: the series that the user named; `None` under a pseudonym, or where the stack was found.
        prefer: which of several acquisitions of a slice or stack was read, "later" or "first".
        drop_incomplete: whether incomplete phases or slices were left out.
        heart_rate_bpm: the rate that the user gave, for images without a credible clock.
        subject: what the user stated of whoever was scanned; `None` where nothing was.
    """

    identity: str
    path: str | None = None
    voxels_sha256: str | None = None
    series_uid: str | None = None
    prefer: Literal["later", "first"] = "later"
    drop_incomplete: bool = False
    heart_rate_bpm: float | None = None
    subject: Subject | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Source:
        """Read back what a record states.

        Raises:
            TypeError: the object has another form.
        """
        subject = content.get("subject")
        return cls(**{**content, "subject": None if subject is None else Subject.from_json(subject)})


@dataclass(frozen=True)
class InputFiles:
    """The files that a case was read from, so that a later run sees whether they are the same.

    Attributes:
        n_files: their number.
        sha256: of their contents, whatever their names; under a pseudonym keyed (HMAC).
        state: digest of their paths, sizes and times of change, likewise keyed; cheaper, see `app.earlier`.
    """

    n_files: int
    sha256: str
    state: str


@dataclass(frozen=True)
class Provenance:
    """Software, bundle and settings that produced a label map.

    Attributes:
        software: package -> version.
        bundle: the bundle whose network produced it.
        settings: entries of the bundle's configuration that results depend on.
        labels_sha256: of the label map as the network drew it; `None` where it is in no file.
        source: the images, likewise.
        input: the files that the images were read from; `None` likewise.
    """

    software: Mapping[str, str]
    bundle: BundleRecord
    settings: Mapping[str, Any]
    labels_sha256: str | None = None
    source: Source | None = None
    input: InputFiles | None = None

    def to_json(self) -> dict[str, Any]:
        """As `measurements.json` holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Provenance:
        """Read back the output of `to_json`. Unknown keys are ignored.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        source = None if content["source"] is None else Source.from_json(content["source"])
        files = InputFiles(**content["input"]) if content.get("input") else None
        bundle = BundleRecord(**content["bundle"])
        return cls(content["software"], bundle, content["settings"], content["labels_sha256"], source, files)


@dataclass(frozen=True, eq=False)
class Case:
    """One study with its results. The labels may come from a network, a corrected NIfTI or a DICOM Segmentation.

    Attributes:
        name: name of its folder.
        cine: the images.
        labels: (T, X, Y, Z) uint8 on the cine's grid.
        measurements: of these labels, but for the slices that the review excludes.
        provenance: how they were made.
        corrected: whether they were edited by hand since.
        pseudonym: stands for the patient in DICOM objects (`None` leaves the source's own).
        review: what a reader has decided on it.
        choices: what the user asked for, ready for JSON, see `app.choices`; results made again keep to it.

    Raises:
        GridError: labels that are not on the cine's grid, or measurements of another number of phases or slices.
        ConfigError: an excluded slice that is not there.
    """

    name: str
    cine: Cine
    labels: np.ndarray
    measurements: Measurements
    provenance: Provenance
    corrected: bool = False
    pseudonym: str | None = None
    review: Review = field(default_factory=Review)
    choices: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels.shape != self.cine.array.shape:
            raise GridError(f"a case's labels must be {self.cine.array.shape} as its images, got {self.labels.shape}")
        counts = self.measurements.n_phases, self.measurements.n_slices
        if counts != (self.cine.n_phases, self.cine.n_slices):
            raise GridError(
                f"a case's measurements must be of {self.cine.n_phases} phases and {self.cine.n_slices} slices, "
                f"got {counts[0]} and {counts[1]}"
            )

        leave_out_slices(self.labels[:1], self.review.excluded_slices)

    @property
    def counted_labels(self) -> np.ndarray:
        """The labels that are measured, and that objects of the measurements show: those of excluded slices are not."""
        return leave_out_slices(self.labels, self.review.excluded_slices)

    def to_json(self) -> dict[str, Any]:
        """The record that `measurements.json` holds."""
        of_case = case_record(self.provenance, name=self.name, corrected=self.corrected, pseudonym=self.pseudonym)
        decided = {"review": self.review.to_json(), "choices": dict(self.choices)}
        return self.measurements.to_json() | of_case | decided


def case_record(
    provenance: Provenance, *, name: str = "", corrected: bool = False, pseudonym: str | None = None
) -> dict[str, Any]:
    """The part of a case's record that every bundle writes, one that measures nothing too."""
    return {"case": name, "corrected": corrected, "pseudonym": pseudonym, **provenance.to_json()}
