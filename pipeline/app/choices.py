"""The user's choices for segmenting a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast, get_args

from pipeline.core.errors import ConfigError
from pipeline.core.measurements import Papillary
from pipeline.measure.function import BsaMethod
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.reference_tables import ReferenceRow

__all__ = ["KEPT", "Choices", "bsa_method", "change_choices", "parse_slices"]

KEPT = ("ed", "es", "bsa", "references", "papillary", "all_phases")
"""Choices that once made hold when a study is segmented again, until they are made otherwise."""


@dataclass(frozen=True)
class Choices:
    """Choices beyond a plain segmentation.

    Attributes:
        phases: how to measure.
        all_phases: write a DICOM segmentation of every phase.
        objects: write DICOM segmentations, structured report and HTML report.
        identify: print the patient's name, ID and birth date in the report.
        heart_rate_bpm: beats a minute, for images that state no credible times or no rate, see `read.clock`.
        again: redo cases that are done or in a reader's hands; the latter's files are kept, see `app.folders`.
        said: those of `KEPT` that are meant though they are as by default. Other values than the default always are.
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
        chosen = Choices.from_json({**own, **kept})
        return replace(self, phases=chosen.phases, all_phases=chosen.all_phases)

    def to_json(self) -> dict[str, Any]:
        """As `measurements.json` holds it, so that the choices hold when results are made again.

        The heart rate is no part of it: it is of the images, and stands in `source`.
        """
        kept = {"all_phases": self.all_phases, "objects": self.objects, "identify": self.identify}
        references = [asdict(row) for row in self.phases.references]
        chosen = self.phases
        phases = {"ed": chosen.ed, "es": chosen.es, "bsa": chosen.bsa_method, "papillary": chosen.papillary}
        return phases | {"references": references} | kept

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Choices:
        """Read back the output of `to_json`. Unknown keys are ignored.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        references = tuple(ReferenceRow(**row) for row in content["references"])
        papillary = content.get("papillary", "cavity")  # records from before there was a choice have none
        phases = PhaseChoice(content["ed"], content["es"], content["bsa"], references, papillary)
        return cls(phases, bool(content["all_phases"]), bool(content["objects"]), bool(content["identify"]))


def change_choices(before: Choices, given: Mapping[str, Any], *, find_phases: bool = False) -> Choices:
    """Choices as they were, but for those that are given now.

    Args:
        before: as the case has them.
        given: keys of `Choices.to_json` -> value; `None` leaves what was before.
        find_phases: forget phases that were given before.

    Raises:
        ConfigError: no such formula of the body surface, or way to count papillary muscles.
    """
    found = {"ed": None, "es": None} if find_phases else {}
    new = {key: value for key, value in given.items() if value is not None}
    changed = Choices.from_json(before.to_json() | found | new)
    bsa_method(changed.phases.bsa_method)
    if changed.phases.papillary not in get_args(Papillary):
        raise ConfigError(f"`--papillary` must be cavity or mass, got {changed.phases.papillary!r}")
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
