"""The user's choices for segmenting a study."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.measure.measurements import PhaseChoice

__all__ = ["Choices"]


@dataclass(frozen=True)
class Choices:
    """Choices beyond a plain segmentation.

    Attributes:
        phases: phases given rather than found, and the formula of the body surface.
        all_phases: write a DICOM segmentation of every phase.
        objects: write DICOM segmentations, structured report and HTML report.
        identify: print the patient's name, ID and birth date in the report.
        heart_rate_bpm: beats a minute, for images that state no credible times or no rate, see `read.clock`.
    """

    phases: PhaseChoice = field(default_factory=PhaseChoice)
    all_phases: bool = False
    objects: bool = True
    identify: bool = False
    heart_rate_bpm: float | None = None
