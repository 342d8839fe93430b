"""A `Frame`: what the header says of one 2D image, in one form for classic and enhanced DICOM alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Frame", "NativeForm", "plane_normal", "variant_of"]

_VARIANT_WORDS = frozenset(
    {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "PSIR", "VELOCITY", "ND", "DIS2D", "DIS3D", "MOSAIC"}
)


def plane_normal(orientation: Sequence[float]) -> np.ndarray:
    """Unit normal of an image plane: cross product of the row and the column direction (PS3.3 C.7.6.2.1.1).

    Args:
        orientation: ImageOrientationPatient: direction of rows, then of columns, LPS (6).

    Returns:
        (3,) float64, LPS.

    >>> plane_normal((1, 0, 0, 0, 1, 0)).tolist()
    [0.0, 0.0, 1.0]
    """
    normal = np.cross(np.asarray(orientation[:3], dtype=np.float64), np.asarray(orientation[3:], dtype=np.float64))
    return normal / np.linalg.norm(normal)


def variant_of(image_type: Sequence[str] | None) -> tuple[str, ...]:
    """Words of ImageType that tell several images of one plane and time apart, sorted; `()` where there are none.

    >>> variant_of(["ORIGINAL", "PRIMARY", "M", "ND", "NORM"])
    ('ND',)
    """
    words = {str(word).strip().upper() for word in (image_type or ())[2:]}
    return tuple(sorted(words & _VARIANT_WORDS))


@dataclass(frozen=True)
class NativeForm:
    """Where and how uncompressed pixels lie in a file.

    Attributes:
        offset: byte at which the first frame starts.
        dtype: numpy's name of the stored type, byte order included.
        spare_bits: high bits of each value that hold no pixel data.
    """

    offset: int
    dtype: str
    spare_bits: int = 0


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
        stack_id: StackID of an enhanced frame.
        variant: words of ImageType that tell images of one plane apart (phase map, distortion correction), sorted.
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
    stack_id: str | None = None
    variant: tuple[str, ...] = ()
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

    def is_parallel_to(self, other: Frame, *, tolerance: float) -> bool:
        """Whether rows and columns run in the same directions, each direction cosine within `tolerance`."""
        return bool(np.abs(np.subtract(self.orientation, other.orientation)).max() <= tolerance)
