"""Images: a `Cine` is an array (T, X, Y, Z) on a `Grid`. A static volume is a cine of one phase."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid, flip_ras_lps
from pipeline.core.subject import Sex

__all__ = ["Cine", "SourceFrame", "StudyFacts"]


@dataclass(frozen=True)
class SourceFrame:
    """The DICOM frame that one slice of one phase came from.

    Attributes:
        path: file it was read from.
        sop_instance_uid: the instance's UID as written in the file.
        frame_number: 1-based frame within a multi-frame instance; 1 for a single-frame one.
        position: ImagePositionPatient, LPS mm; `None` where not known, and the slice lies on the cine's grid. Slices of
            one cine may each tilt or shift a little.
        orientation: ImageOrientationPatient, directions of rows and of columns, likewise.
    """

    path: str
    sop_instance_uid: str
    frame_number: int = 1
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None


@dataclass(frozen=True)
class StudyFacts:
    """Header values other than the pixels, each `None` if the header lacks it. Nothing here identifies the patient.

    Attributes:
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID of the stack that was read (of its first slice).
        manufacturer: Manufacturer.
        model: ManufacturerModelName.
        field_strength_t: MagneticFieldStrength (0018,0087).
        heart_rate_bpm: HeartRate (0018,1088), or from the nominal R-R interval (0018,1062).
        height_m: PatientSize (0010,1020).
        weight_kg: PatientWeight (0010,1030).
        sex: PatientSex (0010,0040), "F" or "M".
        age_years: at the study: PatientAge (0010,1010), or from PatientBirthDate (0010,0030) and StudyDate (0008,0020).
        ed_phase: end-diastole, 0-based, where the files state it beside the pixels, as names of frames do.
        es_phase: end-systole, likewise; both or neither.
    """

    study_uid: str | None = None
    series_uid: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    field_strength_t: float | None = None
    heart_rate_bpm: float | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    sex: Sex | None = None
    age_years: float | None = None
    ed_phase: int | None = None
    es_phase: int | None = None


@dataclass(frozen=True, eq=False)
class Cine:
    """A beating heart on one grid.

    Attributes:
        array: (T, X, Y, Z), any real dtype; made read-only.
        grid: where the voxels lie; `grid.shape` is (X, Y, Z).
        times_ms: time of each phase after the R wave, length T and increasing; `None` where unknown.
        sources: `sources[t][z]` is the DICOM frame of phase t, slice z; `None` for other formats.
        facts: what the header says beside the pixels.
        notes: one sentence for each thing the reader repaired, dropped or left out.
        stored_axes: axes of the file, 3 or 4, which an answer on its grid has too; `None` for DICOM, which has none.
        slice_axis: which axis of the file, 0 to 2, Z is; an answer on its grid has it there too, see `core.storage`.

    Raises:
        GridError: the parts are inconsistent.
    """

    array: np.ndarray
    grid: Grid
    times_ms: tuple[float, ...] | None = None
    sources: tuple[tuple[SourceFrame, ...], ...] | None = None
    facts: StudyFacts = field(default_factory=StudyFacts)
    notes: tuple[str, ...] = ()
    stored_axes: int | None = None
    slice_axis: int = 2

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or self.array.shape[1:] != self.grid.shape:
            raise GridError(
                f"a cine's array must be (T, X, Y, Z) with X, Y, Z = {self.grid.shape}, got {self.array.shape}"
            )
        if self.times_ms is not None and len(self.times_ms) != self.n_phases:
            raise GridError(f"`times_ms` must have {self.n_phases} values, got {len(self.times_ms)}")
        if self.sources is not None:
            shape = {(len(self.sources), len(row)) for row in self.sources}
            if shape != {(self.n_phases, self.n_slices)}:
                raise GridError(f"`sources` must be {self.n_phases} phases x {self.n_slices} slices, got {shape}")
        frozen = self.array.view()
        frozen.setflags(write=False)
        object.__setattr__(self, "array", frozen)

    def plane(self, phase: int, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Where a slice of a phase lies: of its source frame where known, else of the grid.

        Returns:
            Position (3) of the first pixel's centre in LPS mm; unit directions (6) of rows and of columns.
        """
        source = self.sources[phase][level] if self.sources is not None else None
        if source is not None and source.position is not None and source.orientation is not None:
            return np.array(source.position), np.array(source.orientation)
        lps = flip_ras_lps(self.grid.affine)
        x_mm, y_mm, _ = self.grid.spacing_mm
        return (lps @ (0, 0, level, 1))[:3], np.concatenate([lps[:3, 0] / x_mm, lps[:3, 1] / y_mm])

    @property
    def n_phases(self) -> int:
        """Number of phases T, 1 for a static volume."""
        return int(self.array.shape[0])

    @property
    def n_axes(self) -> int:
        """Axes that a label map of this cine has: the file's own, else 3 for a static volume and 4 for a cine."""
        return self.stored_axes or (3 if self.n_phases == 1 else 4)

    @property
    def n_slices(self) -> int:
        """Number of slices Z."""
        return int(self.array.shape[3])
