"""A case: a study's images, label map, measurements and provenance, the one input of all writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements

__all__ = ["BundleRecord", "Case", "Provenance"]


@dataclass(frozen=True)
class BundleRecord:
    """A bundle as results state it: name, version, and the digest of its weights if they are one file."""

    name: str
    version: str
    weights_sha256: str | None = None


@dataclass(frozen=True)
class Provenance:
    """Software, bundle and settings that produced a label map.

    Attributes:
        software: package -> version.
        bundle: the bundle whose network produced it.
        settings: entries of the bundle's configuration that results depend on.
    """

    software: Mapping[str, str]
    bundle: BundleRecord
    settings: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The form stored in `measurements.json`."""
        return {"software": dict(self.software), "bundle": asdict(self.bundle), "settings": dict(self.settings)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Provenance:
        """Read back the output of `to_json`. Unknown keys are ignored.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        return cls(content["software"], BundleRecord(**content["bundle"]), content["settings"])


@dataclass(frozen=True, eq=False)
class Case:
    """One study with its results. The labels may come from a network, a corrected NIfTI or a DICOM Segmentation.

    Attributes:
        name: name of its folder.
        cine: the images.
        labels: (T, X, Y, Z) uint8 on the cine's grid.
        measurements: of these labels.
        provenance: how they were made.
        corrected: whether they were edited by hand since.
        pseudonym: stands for the patient in DICOM objects (`None` leaves the source's own).

    Raises:
        GridError: labels that are not on the cine's grid, or measurements of another number of phases or slices.
    """

    name: str
    cine: Cine
    labels: np.ndarray
    measurements: Measurements
    provenance: Provenance
    corrected: bool = False
    pseudonym: str | None = None

    def __post_init__(self) -> None:
        if self.labels.shape != self.cine.array.shape:
            raise GridError(f"a case's labels must be {self.cine.array.shape} as its images, got {self.labels.shape}")
        counts = self.measurements.n_phases, self.measurements.n_slices
        if counts != (self.cine.n_phases, self.cine.n_slices):
            raise GridError(
                f"a case's measurements must be of {self.cine.n_phases} phases and {self.cine.n_slices} slices, "
                f"got {counts[0]} and {counts[1]}"
            )

    def to_json(self) -> dict[str, Any]:
        """The content of `measurements.json`."""
        made_by = {"case": self.name, "corrected": self.corrected, **self.provenance.to_json()}
        return self.measurements.to_json() | made_by
