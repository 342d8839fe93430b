"""The user's choices for segmenting a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pipeline.core.errors import ConfigError
from pipeline.measure.function import BsaMethod
from pipeline.measure.measurements import PhaseChoice

__all__ = ["Choices", "bsa_method", "change_choices", "parse_slices"]


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

    def to_json(self) -> dict[str, Any]:
        """As `measurements.json` holds it, so that the choices hold when results are made again.

        The heart rate is no part of it: it is of the images, and stands in `source`.
        """
        kept = {"all_phases": self.all_phases, "objects": self.objects, "identify": self.identify}
        return {"ed": self.phases.ed, "es": self.phases.es, "bsa": self.phases.bsa_method} | kept

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Choices:
        """Read back the output of `to_json`. Unknown keys are ignored.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        phases = PhaseChoice(content["ed"], content["es"], content["bsa"])
        return cls(phases, *(bool(content[key]) for key in ("all_phases", "objects", "identify")))


def change_choices(before: Choices, given: Mapping[str, Any], *, find_phases: bool = False) -> Choices:
    """Choices as they were, but for those that are given now.

    Args:
        before: as the case has them.
        given: keys of `Choices.to_json` -> value; `None` leaves what was before.
        find_phases: forget phases that were given before.

    Raises:
        ConfigError: no such formula of the body surface.
    """
    found = {"ed": None, "es": None} if find_phases else {}
    new = {key: value for key, value in given.items() if value is not None}
    changed = Choices.from_json(before.to_json() | found | new)
    bsa_method(changed.phases.bsa_method)
    return changed


def bsa_method(name: str) -> BsaMethod:
    """The formula of the body surface of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in ("mosteller", "dubois"):
        raise ConfigError(f"`--bsa` must be mosteller or dubois, got {name!r}")
    return cast(BsaMethod, name)


def parse_slices(text: str) -> tuple[int, ...]:
    """Slices as a command line spells them.

    >>> parse_slices("0, 11"), parse_slices("none")
    ((0, 11), ())

    Raises:
        ConfigError: something else than whole numbers from 0.
    """
    words = [] if text.strip() == "none" else text.replace(",", " ").split()
    if text.strip() != "none" and not (words and all(word.isdigit() for word in words)):
        raise ConfigError(f"slices must be whole numbers from 0, as 0,1, or none, got {text!r}")
    return tuple(sorted({int(word) for word in words}))
