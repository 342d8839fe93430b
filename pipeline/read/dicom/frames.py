"""A `Frame`: what the header says of one 2D image, in one form for classic and enhanced DICOM alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.read.dicom.kinds import Kind

__all__ = ["SPACING_TOLERANCE_MM", "Frame", "NativeForm", "Technique"]

SPACING_TOLERANCE_MM = 1e-3
"""Largest difference of pixel spacing between frames of one stack: rounding."""


@dataclass(frozen=True)
class NativeForm:
    """Where and how uncompressed pixels lie in a file.

    Attributes:
        offset: byte at which the first frame starts.
        dtype: numpy's name of the stored type, byte order included.
        spare_bits: high bits of each value that hold no pixel data.
        in_doubt: HighBit is not one below BitsStored, so that only the higher of both is sure to leave nothing out.
    """

    offset: int
    dtype: str
    spare_bits: int = 0
    in_doubt: bool = False


@dataclass(frozen=True)
class Technique:
    """How a frame was acquired, as far as it tells pictures of one plane apart; `None` where the header is silent.

    Attributes:
        echo_ms: EchoTime or EffectiveEchoTime.
        repetition_ms: RepetitionTime.
        inversion_ms: InversionTime.
        b_value: DiffusionBValue, s/mm2.
        velocity: direction or limit of the velocity encoding.
        sequence: ScanningSequence, SequenceVariant and SequenceName, digits left out.
        description: SeriesDescription, else ProtocolName; may name anything, so it is shown and never stored.
    """

    echo_ms: float | None = None
    repetition_ms: float | None = None
    inversion_ms: float | None = None
    b_value: float | None = None
    velocity: str | None = None
    sequence: str = ""
    description: str = ""


@dataclass(frozen=True)
class Frame:
    """One 2D image of a DICOM file: where it lies, when it was taken, how its pixels become numbers.

    Attributes:
        path: file that holds it.
        frame_number: 1-based frame within the file; 1 for a single-frame file.
        sop_instance_uid: SOPInstanceUID as written.
        series_uid: SeriesInstanceUID as written.
        study_uid: StudyInstanceUID as written.
        position: ImagePositionPatient, LPS mm: centre of the first pixel.
        orientation: ImageOrientationPatient, made of unit length: direction of rows, then of columns.
        pixel_spacing: PixelSpacing in mm: between rows, then between columns.
        rows: number of rows.
        columns: number of columns.
        trigger_ms: TriggerTime or NominalCardiacTriggerDelayTime.
        temporal_index: TemporalPositionIdentifier or TemporalPositionIndex.
        instance_number: InstanceNumber of the file.
        series_number: SeriesNumber.
        acquisition_number: AcquisitionNumber.
        acquired_at: AcquisitionDateTime, else date and time of acquisition, else of the series: text that sorts.
        stack_id: StackID of an enhanced frame.
        kind: magnitude or another picture, original or derived.
        technique: how it was acquired.
        rescale_slope: RescaleSlope; 1 where absent.
        rescale_intercept: RescaleIntercept; 0 where absent.
        slice_spacing_mm: SpacingBetweenSlices.
        slice_thickness_mm: SliceThickness.
        heart_rate_bpm: HeartRate, or from the nominal R-R interval.
        cardiac_images: CardiacNumberOfImages: phases in a cycle, as the scanner counts them.
        native: where the pixels lie, if uncompressed; `None` where they must be decoded.
    """

    path: Path
    frame_number: int
    sop_instance_uid: str
    series_uid: str
    study_uid: str
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    pixel_spacing: tuple[float, float]
    rows: int
    columns: int
    trigger_ms: float | None = None
    temporal_index: int | None = None
    instance_number: int | None = None
    series_number: int | None = None
    acquisition_number: int | None = None
    acquired_at: str = ""
    stack_id: str | None = None
    kind: Kind = field(default=Kind())
    technique: Technique = field(default=Technique(), compare=False)
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    slice_spacing_mm: float | None = None
    slice_thickness_mm: float | None = None
    heart_rate_bpm: float | None = None
    cardiac_images: int | None = None
    native: NativeForm | None = None

    @property
    def is_rescaled(self) -> bool:
        """Whether the Modality LUT changes the stored values."""
        return (self.rescale_slope, self.rescale_intercept) != (1.0, 0.0)

    def has_form_of(self, other: Frame) -> bool:
        """Whether both pictures have as many rows and columns of one size, `SPACING_TOLERANCE_MM` apart at most."""
        return (self.rows, self.columns) == (other.rows, other.columns) and all(
            abs(mine - theirs) <= SPACING_TOLERANCE_MM
            for mine, theirs in zip(self.pixel_spacing, other.pixel_spacing, strict=True)
        )

    @cached_property
    def centre(self) -> np.ndarray:
        """Middle of the picture, LPS mm (3). A plane that tilts about its middle moves its corner, not its centre."""
        rows = np.asarray(self.orientation[:3]) * (self.pixel_spacing[1] * (self.columns - 1) / 2)
        columns = np.asarray(self.orientation[3:]) * (self.pixel_spacing[0] * (self.rows - 1) / 2)
        return np.asarray(self.position) + rows + columns

    def tilt_deg(self, orientation: Sequence[float]) -> float:
        """Angle by which this plane's axes must turn to lie as an `orientation`: of both directions, the larger."""
        mine = np.reshape(self.orientation, (2, 3))
        # by the chord, which keeps its digits where the cosine of a small angle has none left
        chords = np.linalg.norm(mine - np.reshape(orientation, (2, 3)), axis=1)
        return float(np.rad2deg(2.0 * np.arcsin(np.clip(chords.max() / 2.0, 0.0, 1.0))))
