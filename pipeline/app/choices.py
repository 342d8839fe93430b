"""The user's choices for segmenting a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.measure.measurements import PhaseChoice

__all__ = ["KEPT", "Choices"]

KEPT = ("ed", "es", "bsa", "all_phases")
"""Choices that once given hold until others are given."""


@dataclass(frozen=True)
class Choices:
    """Choices beyond a plain segmentation, some of which are kept from run to run, see `over`.

    Attributes:
        phases: phases given rather than found, and the formula of the body surface.
        all_phases: write a DICOM segmentation of every phase.
        objects: write DICOM segmentations, structured report and HTML report.
        identify: print the patient's name, ID and birth date in the report.
        heart_rate_bpm: beats a minute, for images that state no credible times or no rate, see `read.clock`.
        again: redo cases that are done or in a reader's hands; the latter's files are kept under `history/`.
        said: those of `KEPT` that are meant even where they are as by default; other values than the default always
            are. `"ed"` with the phase left `None` has it found again.
    """

    phases: PhaseChoice = field(default_factory=PhaseChoice)
    all_phases: bool = False
    objects: bool = True
    identify: bool = False
    heart_rate_bpm: float | None = None
    again: bool = False
    said: frozenset[str] = frozenset()

    def over(self, earlier: Mapping[str, Any] | None) -> Choices:
        """These choices, and for what they leave open those that a case's record states.

        Args:
            earlier: `choices` of the record, see `to_json`; `None` if there is none.

        >>> given = Choices(PhaseChoice(ed=3)).to_json()
        >>> Choices().over(given).phases.ed, Choices(said=frozenset({"ed"})).over(given).phases.ed
        (3, None)
        """
        own, usual = self.to_json(), Choices().to_json()
        kept = {key: value for key, value in (earlier or {}).items() if key in KEPT and key not in self.said}
        kept = {key: value for key, value in kept.items() if own[key] == usual[key]}
        phases = PhaseChoice(*({**own, **kept}[key] for key in ("ed", "es", "bsa")))
        return replace(self, phases=phases, all_phases=kept.get("all_phases", self.all_phases))

    def to_json(self) -> dict[str, Any]:
        """What results depend on, as a case's record states it; the heart rate is stated with the source."""
        phases = {"ed": self.phases.ed, "es": self.phases.es, "bsa": self.phases.bsa_method}
        return phases | {"all_phases": self.all_phases, "objects": self.objects, "identify": self.identify}
