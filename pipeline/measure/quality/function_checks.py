"""Rules on the numbers: volumes over the beat, function between ED and ES, the network's confidence, the pose.

Each rule is a function of the measurements (`measurements.measure_cine`) and gives at most one flag. Limits of the body
are those of adults, and wide: a flag says that a number needs a look, not that the patient is ill.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.certainty import ExpectedDice, mean_dice, verdict_of
from pipeline.core.labels import LV, MYO, RV, STRUCTURES
from pipeline.core.measurements import Flag, Measurements, Severity
from pipeline.core.pose import CLEAR_RATIO
from pipeline.measure.volume_curve import find_spikes, make_beat

__all__ = [
    "FUNCTION_RULES",
    "check_confidence",
    "check_ejection",
    "check_end_systole",
    "check_header_pose",
    "check_mass_change",
    "check_phase_order",
    "check_stroke_volumes",
    "check_volume_jumps",
    "check_volumes",
]

EDV_ML = (40.0, 450.0)
"""End-diastolic volume of either ventricle. Small women have about 60 to 80 ml, large athletes up to 300 ml, the most
dilated hearts some more than 400 ml."""

MASS_G = (30.0, 400.0)
"""Myocardial mass: small women have about 50 g, severe hypertrophy up to 400 g."""

EF_PERCENT = (5.0, 85.0)
"""Ejection fraction: the failing heart at its end, and hypertrophic or unloaded ones at theirs."""

STROKE_SHARE, STROKE_ML = 0.5, 20.0
"""Difference of the ventricles' stroke volumes as a fraction of the larger, and in ml. They are equal
except for regurgitation and shunts, and half of the stroke flowing back is already severe. Small strokes are small
differences of large volumes and are not informative."""

MASS_RATIO = (0.75, 1.4)
"""Myocardial volume at ES over that at ED. Muscle is nearly incompressible, but more slices show it at one than at the
other, and experts draw 15 % more at ES in the median."""

MYOCARDIUM_JUMP = 0.15
"""Largest difference of the myocardium's volume in one phase from both its neighbours', above or below, as a fraction
of the median."""

ES_TURN = (0.2, 0.65)
"""Time from ED to ES as a fraction of the beat. Systole lasts 541 ms less 2.2 ms for each beat a minute (men, Chest
80:613, 1981): 0.36 of the beat at 50 a minute, 0.54 at 100. The rest is for few phases, and for weak hearts, whose
minimum is flat."""

ORDER_EXCESS, ORDER_PHASES = 1.6, 8
"""How far the left ventricle's volume travels in a beat over twice its range, and from how many phases on that tells.
One fall and one rise make 1; phases in random order make 2.4 and more in 99 of 100 shuffles of 20 phases."""

EXPECTED_DICE = {LV.name: (0.94, 0.88), MYO.name: (0.92, 0.85), RV.name: (0.89, 0.82)}
"""Expected Dice below which to look, and below which not to use, for bundles without a calibration. The first is the
2nd percentile over the volumes that the U-Net of version 0.1 was trained on, to two digits. Below the second is only
one of them, in which it missed the heart."""


def check_volumes(measured: Measurements) -> Flag | None:
    """`volume_limits`, review: an end-diastolic volume or a mass that hardly any adult has, see `EDV_ML`, `MASS_G`."""
    if measured.left is None or measured.right is None or measured.myocardial_mass_g is None:
        return None
    sides = ((LV, measured.left), (RV, measured.right))
    numbers = [(f"{_words(s.name)}'s EDV", function.edv_ml, EDV_ML, "ml") for s, function in sides]
    numbers.append(("myocardial mass", measured.myocardial_mass_g, MASS_G, "g"))
    outside = [one for one in numbers if one[1] > 0 and not _within(one[1], one[2])]
    if not outside:
        return None
    parts = [
        f"the {name} is {value:.0f} {unit}, outside {low:.0f} to {high:.0f}"
        for name, value, (low, high), unit in outside
    ]
    _, value, limits, _ = outside[0]
    sentence = _sentence(" and ".join(parts))
    return Flag("volume_limits", "review", sentence, measured.ed_phase, None, value, _choose_crossed(value, limits))


def check_ejection(measured: Measurements) -> Flag | None:
    """`ejection_limits`: an ejection fraction outside `EF_PERCENT` (review), or none above 0 (fail)."""
    if measured.left is None or measured.right is None:
        return None
    found = ((LV, measured.left.ef_percent), (RV, measured.right.ef_percent))
    outside = [(s, ef) for s, ef in found if ef is not None and not _within(ef, EF_PERCENT)]
    if not outside:
        return None
    parts = [f"the {_words(s.name)}'s ejection fraction is {ef:.0f} %" for s, ef in outside]
    worst = min(ef for _, ef in outside)
    value = worst if worst < EF_PERCENT[0] else max(ef for _, ef in outside)
    sentence = f"{_sentence(' and '.join(parts))[:-1]}, outside {EF_PERCENT[0]:.0f} to {EF_PERCENT[1]:.0f}."
    severity: Severity = "fail" if worst <= 0 else "review"
    return Flag(
        "ejection_limits", severity, sentence, measured.es_phase, None, value, _choose_crossed(value, EF_PERCENT)
    )


def check_stroke_volumes(measured: Measurements) -> Flag | None:
    """`stroke_volumes`, note: the ventricles' stroke volumes differ, see `STROKE_SHARE`."""
    if measured.left is None or measured.right is None:
        return None
    left, right = measured.left.sv_ml, measured.right.sv_ml
    larger, differing = max(left, right), abs(left - right)
    if larger <= 0 or differing <= STROKE_ML or differing <= STROKE_SHARE * larger:
        return None
    sentence = (
        f"The stroke volumes differ, left {left:.0f} ml and right {right:.0f} ml: without a regurgitant valve or a "
        "shunt, one of them is wrong."
    )
    return Flag("stroke_volumes", "note", sentence, value=differing / larger, threshold=STROKE_SHARE)


def check_mass_change(measured: Measurements) -> Flag | None:
    """`mass_change`, review: the myocardium's volume differs between ED and ES, see `MASS_RATIO`."""
    if measured.ed_phase is None or measured.es_phase is None:
        return None
    at_ed, at_es = (measured.volumes_ml[MYO.name][phase] for phase in (measured.ed_phase, measured.es_phase))
    if at_ed <= 0 or _within(at_es / at_ed, MASS_RATIO):
        return None
    ratio = at_es / at_ed
    sentence = f"The myocardium has {at_ed:.0f} ml at ED and {at_es:.0f} ml at ES, though muscle keeps its volume."
    return Flag("mass_change", "review", sentence, measured.es_phase, None, ratio, _choose_crossed(ratio, MASS_RATIO))


def check_volume_jumps(measured: Measurements) -> Flag | None:
    """`volume_jump`, review: single phases with an outlying volume, see `volume_curve.find_spikes`."""
    if measured.kind != "cine":
        return None
    volumes = {s: np.asarray(measured.volumes_ml[s.name], dtype=float) for s in STRUCTURES}
    sticking = {s: find_spikes(volumes[s].tolist()) for s in (LV, RV)}
    wall = volumes[MYO]
    middle = np.median([np.roll(wall, 1), wall, np.roll(wall, -1)], axis=0)
    sticking[MYO] = np.abs(wall - middle) > MYOCARDIUM_JUMP * np.median(wall)
    found = {s: np.flatnonzero(sticks).tolist() for s, sticks in sticking.items() if sticks.any()}
    if not found:
        return None
    phases = sorted({phase for those in found.values() for phase in those})
    names = " and ".join(_words(s.name) for s in found)
    many = f"{len(phases)} phases, first phase {phases[0] + 1}" if len(phases) > 1 else f"phase {phases[0] + 1}"
    sentence = f"The volume of {names} jumps from phase to phase ({many})."
    return Flag("volume_jump", "review", sentence, phase=phases[0], value=float(len(phases)))


def check_end_systole(measured: Measurements) -> Flag | None:
    """`end_systole_time`, review: ES is too early or too late after ED, see `ES_TURN`."""
    if measured.kind != "cine" or measured.ed_phase is None or measured.es_phase is None:
        return None
    beat = make_beat(measured.n_phases, times_ms=measured.times_ms, heart_rate_bpm=measured.heart_rate_bpm)
    turn = float((beat.turns[measured.es_phase] - beat.turns[measured.ed_phase]) % 1.0)
    if _within(turn, ES_TURN):
        return None
    sentence = f"ES comes {turn:.0%} of a beat after ED, where {ES_TURN[0]:.0%} to {ES_TURN[1]:.0%} is usual."
    return Flag("end_systole_time", "review", sentence, measured.es_phase, None, turn, _choose_crossed(turn, ES_TURN))


def check_confidence(measured: Measurements, phase: int) -> Flag | None:
    """`low_confidence`: the expected Dice is too low to pass (review), or so low that the labels are bad (fail).

    With a calibration the mean over the structures is compared with its thresholds, which were chosen on patients whom
    the network had never seen. Without one each structure's is compared with `EXPECTED_DICE`.

    Args:
        measured: with `confidence`; nothing is said without it.
        phase: 0-based.
    """
    if measured.confidence is None:
        return None
    return _check_calibrated(measured, phase) if measured.certainty else _check_uncalibrated(measured.confidence, phase)


def _check_calibrated(measured: Measurements, phase: int) -> Flag | None:
    confidence, limits = measured.confidence or {}, measured.certainty
    mean = mean_dice(confidence, phase)
    if limits is None or mean is None:
        return None
    severity = verdict_of(mean, pass_dice=limits.pass_dice, fail_dice=limits.fail_dice)
    if severity == "pass":
        return None
    parts = [
        f"{_words(name)} {0.0 if column[phase] is None else column[phase]:.2f}" for name, column in confidence.items()
    ]
    sentence = f"A mean Dice of {mean:.3f} is to be expected, below {limits.pass_dice:.3f} ({', '.join(parts)})."
    return Flag("low_confidence", severity, sentence, phase, None, round(mean, 4), limits.pass_dice)


def _check_uncalibrated(confidence: ExpectedDice, phase: int) -> Flag | None:
    low = []
    for name, (review, fail) in EXPECTED_DICE.items():
        value = confidence[name][phase] if name in confidence else None
        if value is not None and value < review:
            low.append((value / review, name, value, review, fail))
    if not low:
        return None
    _, name, value, review, _ = min(low)
    severity: Severity = "fail" if any(value < fail for _, _, value, _, fail in low) else "review"
    parts = [f"{_words(name)} {value:.3f}" for _, name, value, _, _ in low]
    sentence = f"The network is unsure: expected Dice, not calibrated, of {', '.join(parts)}."
    return Flag("low_confidence", severity, sentence, phase, None, value, review)


def check_phase_order(measured: Measurements) -> Flag | None:
    """`phase_order`, fail: no clock orders the phases, and the volume goes up and down more than once a beat."""
    if measured.kind != "cine" or measured.times_ms is not None or measured.n_phases < ORDER_PHASES:
        return None
    curve = np.array(measured.volumes_ml[LV.name])
    travelled, span = float(np.abs(np.diff(curve, append=curve[0])).sum()), float(np.ptp(curve))
    if span <= 0 or travelled / (2 * span) <= ORDER_EXCESS:
        return None
    excess = travelled / (2 * span)
    sentence = (
        f"No clock orders the phases, and the left cavity's volume travels {excess:.1f} times the way of one beat: "
        "the phases may be out of order."
    )
    return Flag("phase_order", "fail", sentence, None, None, excess, ORDER_EXCESS)


def check_header_pose(measured: Measurements) -> Flag | None:
    """`header_pose`, review: the heart lies otherwise than the header tells, see `core.pose.CLEAR_RATIO`."""
    pose = measured.pose
    if pose is None or not pose.contradicts_header:
        return None
    sentence = f"By the picture slices are laid down {pose.pose.name}, by the header {pose.header_pose.name}."
    return Flag("header_pose", "review", sentence, value=round(pose.over_header, 4), threshold=CLEAR_RATIO)


FUNCTION_RULES = (
    check_volumes,
    check_ejection,
    check_stroke_volumes,
    check_mass_change,
    check_volume_jumps,
    check_end_systole,
    check_phase_order,
    check_header_pose,
)
"""In the order of their flags."""


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _choose_crossed(value: float, limits: tuple[float, float]) -> float:
    """The limit beyond which a value lies."""
    return limits[0] if value < limits[0] else limits[1]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
