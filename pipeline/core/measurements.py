"""All measurements of a study as one value that converts to JSON and back. Units are in the names.

docs/measurements.md explains every key, and `pipeline/measure/schemas/measurements.schema.json` states their form.
Phases and slices count from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from pipeline.core.certainty import Certainty, ExpectedDice, Interval
from pipeline.core.labels import LV, RV
from pipeline.core.pose import PoseFinding
from pipeline.core.prior import Prior
from pipeline.core.reference import References
from pipeline.core.slices import SliceRow
from pipeline.core.subject import Subject
from pipeline.core.wall import Motion, Wall

__all__ = [
    "DISCLAIMER",
    "BloodVolumes",
    "Flag",
    "Function",
    "Measurements",
    "Quality",
    "Severity",
    "Verdict",
    "gravest_first",
]

DISCLAIMER = "Not for diagnosis."
Severity = Literal["note", "review", "fail"]
"""Worth knowing ("note"), look before use ("review"), or do not use ("fail")."""
Verdict = Literal["pass", "review", "fail"]

Papillary = Literal["cavity", "mass"]
"""What papillary muscles and trabeculae count as."""


@dataclass(frozen=True)
class Function:
    """Function of one ventricle.

    Attributes:
        edv_ml: volume at end-diastole.
        esv_ml: volume at end-systole.
        sv_ml: stroke volume, EDV - ESV.
        ef_percent: ejection fraction, 100 SV / EDV, or `None` if EDV is 0.
        co_l_per_min: cardiac output, SV x heart rate, or `None` without a heart rate.
        peak_ejection_rate_ml_per_s: steepest fall of the volume curve, positive, or `None` if unknown.
        peak_filling_rate_ml_per_s: steepest rise, or `None` if it cannot be determined.
    """

    edv_ml: float
    esv_ml: float
    sv_ml: float
    ef_percent: float | None
    co_l_per_min: float | None = None
    peak_ejection_rate_ml_per_s: float | None = None
    peak_filling_rate_ml_per_s: float | None = None


@dataclass(frozen=True)
class BloodVolumes:
    """The left ventricle where papillary muscles and trabeculae count as muscle, not as cavity.

    Attributes:
        edv_ml: blood at end-diastole.
        esv_ml: blood at end-systole.
        sv_ml: stroke volume, EDV - ESV.
        ef_percent: ejection fraction, 100 SV / EDV, or `None` if EDV is 0.
        myocardial_mass_g: at end-diastole, with what the cavity holds besides blood.
    """

    edv_ml: float
    esv_ml: float
    sv_ml: float
    ef_percent: float | None
    myocardial_mass_g: float


@dataclass(frozen=True)
class Flag:
    """A finding about a segmentation that a person should look at.

    Attributes:
        rule: its name, see docs/quality.md.
        severity: "fail" if the numbers are wrong whatever the cause, "review" if it speaks against the labels or the
            stack, "note" if it is only worth knowing.
        message: one sentence.
        phase: 0-based, or `None` if it is about the whole beat.
        slice: 0-based, the worst or first of those concerned, or `None` if no slice in particular is.
        value: what was measured, or `None` if nothing is.
        threshold: what it was compared with.
    """

    rule: str
    severity: Severity
    message: str
    phase: int | None = None
    slice: int | None = None
    value: float | None = None
    threshold: float | None = None


def gravest_first(flags: Iterable[Flag]) -> list[Flag]:
    """Order flags by severity, otherwise as they come."""
    return sorted(flags, key=lambda flag: ("fail", "review", "note").index(flag.severity))


@dataclass(frozen=True)
class Quality:
    """Outcome of the quality rules for a study.

    Attributes:
        verdict: "fail" if any flag is, "review" if one is, "pass" without either. A pass says that no rule found
            anything against it, not that the segmentation is right.
        flags: at most one per rule and phase, gravest first.
    """

    verdict: Verdict
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Measurements:
    """All measurements of one label map. Unknown values are `None`, and without a body size nothing is indexed.

    Attributes:
        kind: "cine", "few_phases" or "single_phase".
        n_phases: phases T.
        n_slices: slices Z.
        spacing_mm: of X, Y and Z.
        volumes_ml: structure's name -> volume at each phase.
        subject: sex, age and size of the body of whoever was scanned, as far as they are known.
        papillary: what papillary muscles and trabeculae count as in volumes, function, mass and areas of slices.
        times_ms: of each phase after the R wave.
        lv_curve_ml: periodic curve that ED and ES are taken from.
        ed_phase: end-diastole, or `None` for a single phase, like all that follows from it.
        es_phase: end-systole.
        ed_from: "curve" if found, "given" if the user or the files say so.
        es_from: the same for end-systole.
        heart_rate_bpm: beats a minute.
        myocardial_mass_g: at end-diastole.
        left: function of the left ventricle.
        right: function of the right ventricle.
        blood: the left ventricle's blood alone; `None` where it cannot be told from the wall, or for a single phase.
        wall: thickness by segment.
        motion: of the wall over the beat, by segment and third.
        slices: areas and thickness at end-diastole and end-systole, slice by slice.
        bsa_m2: body surface area.
        bsa_method: its formula, "mosteller" or "dubois".
        indexed: quantity with `_per_m2` behind its name -> value.
        references: the values beside published ones for the subject's sex and age.
        prior: the values beside those of an earlier study of the same patient; `None` where none was given.
        confidence: structure's name -> expected Dice at each phase, `None` where it is absent; `None` where the labels
            are not a network's. Calibrated if there is a `certainty`, else too high.
        certainty: what the bundle's calibration says of these labels; `None` without one.
        intervals: quantity -> interval within which an expert's number lies with probability `certainty.level`, as
            "left_ventricle_ef_percent", "right_ventricle_edv_ml", "myocardial_mass_g"; `None` without a calibration.
        pose: how the slices were laid down for the network; `None` where no pose was looked for.
        quality: verdict and flags; `None` where no rule was applied.
        notes: a sentence for each thing repaired, left out or passed over.
        conventions: a sentence for each choice that the numbers rest on.
        schema_version: of the JSON.
    """

    kind: str
    n_phases: int
    n_slices: int
    spacing_mm: tuple[float, float, float]
    volumes_ml: Mapping[str, Sequence[float]]
    subject: Subject = field(default_factory=Subject)
    papillary: Papillary = "cavity"
    times_ms: Sequence[float] | None = None
    lv_curve_ml: Sequence[float] | None = None
    ed_phase: int | None = None
    es_phase: int | None = None
    ed_from: str | None = None
    es_from: str | None = None
    heart_rate_bpm: float | None = None
    myocardial_mass_g: float | None = None
    left: Function | None = None
    right: Function | None = None
    blood: BloodVolumes | None = None
    wall: Wall | None = None
    motion: Motion | None = None
    slices: tuple[SliceRow, ...] | None = None
    bsa_m2: float | None = None
    bsa_method: str | None = None
    indexed: Mapping[str, float] = field(default_factory=dict)
    references: References | None = None
    prior: Prior | None = None
    confidence: ExpectedDice | None = None
    certainty: Certainty | None = None
    intervals: Mapping[str, Interval] | None = None
    pose: PoseFinding | None = None
    quality: Quality | None = None
    notes: tuple[str, ...] = ()
    conventions: tuple[str, ...] = ()
    schema_version: str = "1.3"

    def function(self, side: str) -> Function | None:
        """Function of a ventricle by its structure's name, `left_ventricle` or `right_ventricle`."""
        return {LV.name: self.left, RV.name: self.right}[side]

    def to_json(self) -> dict[str, Any]:
        """The form stored in `measurements.json`. Keys that a single phase cannot have are left out, not null."""
        whole = asdict(self)
        content = {"schema_version": whole["schema_version"], "disclaimer": DISCLAIMER}
        content |= {key: whole[key] for key in _ALWAYS}
        if self.ed_phase is not None:
            content |= {key: whole[key] for key in _OF_FUNCTION}
            content |= {LV.name: whole["left"], RV.name: whole["right"], _BLOOD: whole["blood"]}
        if self.bsa_m2 is not None:
            content |= {key: whole[key] for key in _OF_BODY}
        content["pose"] = None if self.pose is None else self.pose.to_json()
        return _as_json(content | {key: whole[key] for key in _OF_TRUST})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Measurements:
        """Read back the output of `to_json`. Unknown keys are ignored.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        known = {key: content[key] for key in (f.name for f in fields(cls)) if key in content}
        known |= {key: tuple(known.get(key, ())) for key in ("notes", "conventions", "spacing_mm")}
        for side, name in (("left", LV.name), ("right", RV.name)):
            known[side] = Function(**content[name]) if content.get(name) else None
        known["blood"] = BloodVolumes(**content[_BLOOD]) if content.get(_BLOOD) else None
        if known.get("slices") is not None:
            known["slices"] = tuple(SliceRow.from_json(row) for row in known["slices"])
        for key, form in _FORMS.items():
            if known.get(key) is not None:
                known[key] = form.from_json(known[key])
        if known.get("quality"):
            known["quality"] = Quality(
                known["quality"]["verdict"], tuple(Flag(**flag) for flag in known["quality"]["flags"])
            )
        return cls(**known)


_BLOOD = f"{LV.name}_blood"
_ALWAYS = (
    "conventions",
    "kind",
    "n_phases",
    "n_slices",
    "spacing_mm",
    "subject",
    "papillary",
    "times_ms",
    "volumes_ml",
    "lv_curve_ml",
    "wall",
    "motion",
    "slices",
    "references",
    "prior",
    "notes",
)
_OF_FUNCTION = ("ed_phase", "es_phase", "ed_from", "es_from", "heart_rate_bpm", "myocardial_mass_g")
_OF_BODY = ("bsa_m2", "bsa_method", "indexed")
_OF_TRUST = ("confidence", "certainty", "intervals", "quality")
_FORMS: Mapping[str, Any] = {
    "subject": Subject,
    "wall": Wall,
    "motion": Motion,
    "references": References,
    "prior": Prior,
    "pose": PoseFinding,
    "certainty": Certainty,
}


def _as_json(value: Any) -> Any:
    """Tuples as the lists that JSON has."""
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value
