"""Each rule on the numbers: tripped by hand, and not by usual numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.certainty import Certainty
from pipeline.core.measurements import Flag, Measurements
from pipeline.core.pose import AS_STORED, Pose, PoseFinding
from pipeline.measure.function import ventricular_function
from pipeline.measure.quality.function_checks import (
    FUNCTION_RULES,
    check_confidence,
    check_ejection,
    check_end_systole,
    check_header_pose,
    check_mass_change,
    check_phase_order,
    check_stroke_volumes,
    check_volume_jumps,
    check_volumes,
)

LEFT = [150.0, 140, 110, 80, 62, 60, 75, 95, 110, 120, 130, 145]
RIGHT = [160.0, 150, 125, 95, 78, 75, 88, 105, 120, 130, 140, 155]


def _measured(left: list[float] = LEFT, right: list[float] = RIGHT, wall: list[float] | None = None) -> Measurements:
    """A cine of one beat a second."""
    n_phases = len(left)
    ed, es = left.index(max(left)), left.index(min(left))
    wall = wall or [100.0] * n_phases

    return Measurements(
        kind="cine",
        n_phases=n_phases,
        n_slices=10,
        spacing_mm=(1.5, 1.5, 8.0),
        times_ms=[1000.0 * phase / n_phases for phase in range(n_phases)],
        heart_rate_bpm=60.0,
        volumes_ml={"left_ventricle": left, "myocardium": wall, "right_ventricle": right},
        ed_phase=ed,
        es_phase=es,
        myocardial_mass_g=wall[ed] * 1.05,
        left=ventricular_function(left, ed=ed, es=es),
        right=ventricular_function(right, ed=ed, es=es),
    )


@pytest.mark.parametrize("rule", FUNCTION_RULES)
def test_usual_numbers_trip_nothing(rule) -> None:
    assert rule(_measured()) is None


@pytest.mark.parametrize("rule", FUNCTION_RULES)
def test_a_single_phase_has_no_function_to_judge(rule) -> None:
    volumes = {"left_ventricle": [900.0], "myocardium": [900.0], "right_ventricle": [1.0]}
    assert rule(Measurements("single_phase", 1, 10, (1.5, 1.5, 8.0), volumes)) is None


def test_volumes_outside_the_body() -> None:
    flag = check_volumes(_measured(left=[30.0, 15.0], right=[500.0, 480.0]))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase, flag.value, flag.threshold) == ("volume_limits", "review", 0, 30, 40)
    assert flag.message == (
        "The left ventricle's EDV is 30 ml, outside 40 to 450 and the right ventricle's EDV is 500 ml, "
        "outside 40 to 450."
    )
    flag = check_volumes(_measured(wall=[420.0] * 12))
    assert flag is not None
    assert (flag.value, flag.threshold) == (pytest.approx(441), 400)
    assert check_volumes(_measured(right=[0.0] * 12)) is None  # `missing_structure` says so


def test_ejection_fractions() -> None:
    flag = check_ejection(_measured(left=[150.0, 144.0]))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase, flag.threshold) == ("ejection_limits", "review", 1, 5)
    assert flag.value == pytest.approx(4)
    assert "left ventricle's ejection fraction is 4 %" in flag.message
    flag = check_ejection(_measured(left=[100.0, 10.0], right=[100.0, 105.0]))
    assert flag is not None
    assert (flag.severity, flag.value) == ("fail", -5)
    flag = check_ejection(_measured(left=[100.0, 10.0], right=[100.0, 50.0]))
    assert flag is not None
    assert (flag.severity, flag.value, flag.threshold) == ("review", 90, 85)


def _with(measured: Measurements, name: str, **numbers: float) -> Measurements:
    """The same measurements with other numbers of one ventricle."""
    side = {"left_ventricle": "left", "right_ventricle": "right"}[name]
    return replace(measured, **{side: replace(getattr(measured, side), **numbers)})


@pytest.mark.parametrize("name", ["left_ventricle", "right_ventricle"])
@pytest.mark.parametrize(("inside", "outside"), [(40.0, 39.99), (450.0, 450.01)])
def test_the_limits_of_an_edv(name: str, inside: float, outside: float) -> None:
    assert check_volumes(_with(_measured(), name, edv_ml=inside)) is None
    flag = check_volumes(_with(_measured(), name, edv_ml=outside))
    assert flag is not None
    assert (flag.value, flag.threshold) == (outside, inside)


@pytest.mark.parametrize(("inside", "outside"), [(30.0, 29.99), (400.0, 400.01)])
def test_the_limits_of_the_mass(inside: float, outside: float) -> None:
    assert check_volumes(replace(_measured(), myocardial_mass_g=inside)) is None
    flag = check_volumes(replace(_measured(), myocardial_mass_g=outside))
    assert flag is not None
    assert (flag.value, flag.threshold) == (outside, inside)
    assert flag.message == f"The myocardial mass is {outside:.0f} g, outside 30 to 400."


def test_a_speck_is_a_volume_and_nothing_is_none() -> None:
    for edv_ml, flagged in ((0.0, False), (0.5, True)):
        assert (check_volumes(_with(_measured(), "left_ventricle", edv_ml=edv_ml)) is not None) is flagged


@pytest.mark.parametrize("name", ["left_ventricle", "right_ventricle"])
@pytest.mark.parametrize(("inside", "outside"), [(5.0, 4.99), (85.0, 85.01)])
def test_the_limits_of_an_ejection_fraction(name: str, inside: float, outside: float) -> None:
    assert check_ejection(_with(_measured(), name, ef_percent=inside)) is None
    flag = check_ejection(_with(_measured(), name, ef_percent=outside))
    assert flag is not None
    assert (flag.severity, flag.value, flag.threshold) == ("review", outside, inside)


@pytest.mark.parametrize(("ef", "severity"), [(-0.5, "fail"), (0.0, "fail"), (0.5, "review")])
def test_a_heart_that_ejects_nothing_fails(ef: float, severity: str) -> None:
    flag = check_ejection(_with(_measured(), "right_ventricle", ef_percent=ef))
    assert flag is not None
    assert flag.severity == severity


@pytest.mark.parametrize(
    ("left", "right", "value", "threshold"),
    [(90.0, 86.0, 90.0, 85.0), (86.0, 90.0, 90.0, 85.0), (4.0, 3.0, 3.0, 5.0), (90.0, 3.0, 3.0, 5.0)],
)
def test_of_two_odd_ejection_fractions_the_lowest_is_told_then_the_highest(
    left: float, right: float, value: float, threshold: float
) -> None:
    measured = _with(_with(_measured(), "left_ventricle", ef_percent=left), "right_ventricle", ef_percent=right)
    flag = check_ejection(measured)
    assert flag is not None
    assert (flag.value, flag.threshold) == (value, threshold)
    assert flag.message == (
        f"The left ventricle's ejection fraction is {left:.0f} % and the right ventricle's ejection fraction is "
        f"{right:.0f} %, outside 5 to 85."
    )


def test_without_a_cavity_there_is_no_fraction_to_judge() -> None:
    assert check_ejection(_measured(right=[0.0] * 12)) is None


def test_stroke_volumes() -> None:
    flag = check_stroke_volumes(_measured(left=[150.0, 60.0], right=[160.0, 120.0]))  # 90 and 40
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase, flag.threshold) == ("stroke_volumes", "note", None, 0.5)
    assert flag.value == pytest.approx(50 / 90)
    assert check_stroke_volumes(_measured(left=[150.0, 60.0], right=[160.0, 115.0])) is None  # 90 and 45
    assert check_stroke_volumes(_measured(left=[150.0, 120.0], right=[160.0, 150.0])) is None  # 30 and 10: few ml
    assert check_stroke_volumes(_measured(left=[150.0, 150.0], right=[160.0, 200.0])) is None  # no stroke


@pytest.mark.parametrize(
    ("strokes", "flagged"),
    [
        ((100.0, 50.0), False),  # half of the larger
        ((100.0, 49.9), True),
        ((49.9, 100.0), True),
        ((30.0, 10.0), False),  # 20 ml
        ((30.0, 9.99), True),
        ((9.99, 30.0), True),
        ((0.5, -30.0), True),
        ((0.0, -30.0), False),  # no stroke: `ejection_limits` says so
        ((-10.0, -60.0), False),
    ],
)
def test_the_limits_of_the_strokes_difference(strokes: tuple[float, float], flagged: bool) -> None:
    left, right = strokes
    measured = _with(_with(_measured(), "left_ventricle", sv_ml=left), "right_ventricle", sv_ml=right)
    flag = check_stroke_volumes(measured)
    assert (flag is not None) is flagged
    assert flag is None or flag.value == pytest.approx(abs(left - right) / max(strokes))


@pytest.mark.parametrize(("inside", "outside"), [(75.0, 74.99), (140.0, 140.01)])
def test_the_limits_of_the_masses_ratio(inside: float, outside: float) -> None:
    for wall_ml, flagged in ((inside, False), (outside, True)):
        flag = check_mass_change(_measured(wall=[100.0] * 5 + [wall_ml] + [100.0] * 6))
        assert (flag is not None) is flagged
    assert flag is not None
    assert (flag.value, flag.threshold) == (pytest.approx(outside / 100), inside / 100)


def test_a_wall_at_es_alone_has_no_ratio_and_a_thin_one_has() -> None:
    assert check_mass_change(_measured(wall=[0.0] * 5 + [50.0] + [0.0] * 6)) is None
    assert check_mass_change(_measured(wall=[0.5] * 5 + [1.0] + [0.5] * 6)) is not None


def test_the_mass_at_ed_and_es() -> None:
    wall = [100.0] * 5 + [150.0] + [100.0] * 6
    flag = check_mass_change(_measured(wall=wall))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase) == ("mass_change", "review", 5)
    assert (flag.value, flag.threshold) == (1.5, 1.4)
    wall[5] = 70.0
    flag = check_mass_change(_measured(wall=wall))
    assert flag is not None
    assert flag.threshold == 0.75


def test_volumes_that_jump() -> None:
    left = [*LEFT[:8], 0.0, *LEFT[9:]]
    flag = check_volume_jumps(replace(_measured(left), es_phase=5))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase, flag.value) == ("volume_jump", "review", 8, 1)
    assert flag.message == "The volume of left ventricle jumps from phase to phase (phase 9)."
    wall = [100.0, 101, 118, 100, 99, 100, 100, 84, 100, 100, 100, 100]
    flag = check_volume_jumps(_measured(wall=wall))
    assert flag is not None
    assert (flag.phase, flag.value) == (2, 2)
    assert "2 phases, first phase 3" in flag.message


@pytest.mark.parametrize(("odd_ml", "flagged"), [(115.0, False), (115.01, True), (85.0, False), (84.99, True)])
@pytest.mark.parametrize("phase", [0, 4, 11])
def test_the_limit_of_the_myocardium_s_jump(odd_ml: float, flagged: bool, phase: int) -> None:
    wall = [100.0] * 12
    wall[phase] = odd_ml
    flag = check_volume_jumps(_measured(wall=wall))
    assert (flag is not None) is flagged
    assert flag is None or (flag.phase, flag.value) == (phase, 1)


def test_a_wall_that_changes_for_good_does_not_jump() -> None:
    assert check_volume_jumps(_measured(wall=[100.0] * 6 + [130.0] * 6)) is None
    assert check_volume_jumps(_measured(wall=[100.0] * 6 + [130.0] * 2 + [100.0] * 4)) is None  # two phases together


def test_structures_that_jump_are_all_named_and_a_phase_counts_once() -> None:
    left, right = ([*beat[:8], 0.0, *beat[9:]] for beat in (LEFT, RIGHT))
    wall = [100.0, 150.0, *[100.0] * 6, 20.0, *[100.0] * 3]
    flag = check_volume_jumps(replace(_measured(left, right, wall), es_phase=5))
    assert flag is not None
    assert flag.message == (
        "The volume of left ventricle and right ventricle and myocardium jumps from phase to phase (2 phases, first "
        "phase 2)."
    )
    assert (flag.phase, flag.value) == (1, 2)


@pytest.mark.parametrize(
    ("es_ms", "threshold"), [(200.0, None), (199.0, 0.2), (650.0, None), (651.0, 0.65)], ids=lambda one: f"{one}"
)
def test_the_limits_of_end_systole_s_time(es_ms: float, threshold: float | None) -> None:
    times_ms = sorted([0.0, 100.0, es_ms, 700.0, 800.0])
    measured = replace(_measured(LEFT[:5], RIGHT[:5]), times_ms=times_ms, ed_phase=0, es_phase=2)
    flag = check_end_systole(measured)
    assert (flag and flag.threshold) == threshold
    assert flag is None or flag.value == pytest.approx(es_ms / 1000)


@pytest.mark.parametrize(("es", "expected"), [(1, 1 / 12), (2, 2 / 12), (8, 8 / 12), (10, 10 / 12)])
def test_end_systole_at_an_odd_time(es: int, expected: float) -> None:
    flag = check_end_systole(replace(_measured(), es_phase=es))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase) == ("end_systole_time", "review", es)
    assert flag.value == pytest.approx(expected)
    assert flag.message == f"ES comes {expected:.0%} of a beat after ED, where 20% to 65% is usual."


def test_end_systole_counts_from_ed_around_the_beat() -> None:
    assert check_end_systole(replace(_measured(), ed_phase=10, es_phase=3)) is None  # 5 of 12 phases
    assert check_end_systole(replace(_measured(), ed_phase=5, es_phase=0)) is None  # 7 of 12
    for ed, es, turn in ((5, 6, 1 / 12), (11, 0, 1 / 12), (6, 3, 9 / 12)):
        flag = check_end_systole(replace(_measured(), ed_phase=ed, es_phase=es))
        assert flag is not None
        assert flag.value == pytest.approx(turn)


def test_end_systole_counts_time_where_it_is_known() -> None:
    half = replace(_measured(), times_ms=[50.0 * phase for phase in range(12)])  # 550 ms of a beat of 1000
    assert check_end_systole(replace(half, es_phase=8)) is None
    assert check_end_systole(replace(half, es_phase=8, times_ms=None)) is not None


def _unsure(confidence: dict[str, list[float | None]], phase: int) -> Flag | None:
    return check_confidence(replace(_measured(), confidence=confidence), phase)


def test_confidence() -> None:
    sure = {"left_ventricle": [0.98, 0.95], "myocardium": [0.95, None], "right_ventricle": [0.96, None]}
    assert _unsure(sure, 0) is None
    assert _unsure(sure, 1) is None
    flag = _unsure(sure | {"left_ventricle": [0.98, 0.93], "right_ventricle": [0.96, 0.85]}, 1)
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase) == ("low_confidence", "review", 1)
    assert (flag.value, flag.threshold) == (0.85, 0.89)  # the farthest below
    assert (
        flag.message
        == "The network is unsure: expected Dice, not calibrated, of left ventricle 0.930, right ventricle 0.850."
    )
    flag = _unsure(sure | {"myocardium": [0.6, 0.9]}, 0)
    assert flag is not None
    assert flag.severity == "fail"


@pytest.mark.parametrize(
    ("name", "review", "fail"),
    [("left_ventricle", 0.94, 0.88), ("myocardium", 0.92, 0.85), ("right_ventricle", 0.89, 0.82)],
)
def test_the_limits_of_confidence(name: str, review: float, fail: float) -> None:
    assert _unsure({name: [review]}, 0) is None
    for dice, severity in ((review - 1e-6, "review"), (fail, "review"), (fail - 1e-6, "fail")):
        flag = _unsure({name: [dice]}, 0)
        assert flag is not None
        assert (flag.severity, flag.value, flag.threshold) == (severity, dice, review)


def test_one_structure_that_fails_fails_them_all() -> None:
    """The farthest below its own limit is told, and any below the second limit decides."""
    flag = _unsure({"left_ventricle": [0.87], "right_ventricle": [0.821]}, 0)
    assert flag is not None
    assert (flag.severity, flag.value, flag.threshold) == ("fail", 0.821, 0.89)
    flag = _unsure({"left_ventricle": [0.90], "right_ventricle": [0.86]}, 0)
    assert flag is not None
    assert (flag.value, flag.threshold) == (0.90, 0.94)  # 0.957 of its limit, the other's 0.966


def test_phases_out_of_order_fail_where_no_clock_orders_them() -> None:
    """One fall by 90 and one rise: 180 of 2 x 90. Every other phase first, then the rest backwards or not."""
    shuffled = LEFT[::2] + LEFT[1::2]
    unordered = replace(_measured(left=shuffled), times_ms=None)
    # 150 110 62 75 110 130 | 140 80 60 95 120 145 | 150: 40 48 13 35 20 10 60 20 35 25 25 5 = 336 of 180
    flag = check_phase_order(unordered)
    assert flag is not None
    assert (flag.rule, flag.severity) == ("phase_order", "fail")
    assert flag.value == pytest.approx(336 / 180)
    assert check_phase_order(_measured(left=shuffled)) is None  # a clock orders them
    assert check_phase_order(replace(_measured(), times_ms=None)) is None
    assert check_phase_order(replace(_measured(left=[100.0] * 12), times_ms=None)) is None
    few = [150.0, 60.0, 140.0, 70.0, 130.0, 80.0, 120.0]
    assert check_phase_order(replace(_measured(left=few, right=few), times_ms=None)) is None  # seven tell too little


@pytest.mark.parametrize(("header_tells", "flagged"), [(True, True), (False, False)])
def test_a_header_that_tells_another_pose_is_flagged(header_tells: bool, flagged: bool) -> None:
    measured = Measurements("single_phase", n_phases=1, n_slices=3, spacing_mm=(1.0, 1.0, 1.0), volumes_ml={})
    assert check_header_pose(measured) is None
    found = PoseFinding(Pose(False, True, True), AS_STORED, header_tells, over_header=1.5, over_next=1.5)
    flag = check_header_pose(replace(measured, pose=found))
    assert (flag is not None) == flagged
    if flag is not None:
        assert (flag.rule, flag.severity, flag.value, flag.threshold) == ("header_pose", "review", 1.5, 1.2)
        assert "turned by 180 degrees" in flag.message
    agreed = PoseFinding(AS_STORED, AS_STORED, True, 1.0, 1.4)
    assert check_header_pose(replace(measured, pose=agreed)) is None


def test_each_flag_in_full() -> None:
    """All that a person is shown, and all that a program reads."""
    measured = _measured(left=[30.0, 28.8], right=[60.0, 30.0], wall=[100.0, 60.0])
    assert check_volumes(measured) == Flag(
        "volume_limits", "review", "The left ventricle's EDV is 30 ml, outside 40 to 450.", 0, None, 30.0, 40.0
    )
    assert check_ejection(measured) == Flag(
        "ejection_limits",
        "review",
        "The left ventricle's ejection fraction is 4 %, outside 5 to 85.",
        1,
        None,
        pytest.approx(4.0),
        5.0,
    )
    assert check_stroke_volumes(measured) == Flag(
        "stroke_volumes",
        "note",
        "The stroke volumes differ, left 1 ml and right 30 ml: without a regurgitant valve or a shunt, one of them is "
        "wrong.",
        None,
        None,
        pytest.approx(28.8 / 30.0),
        0.5,
    )
    assert check_mass_change(measured) == Flag(
        "mass_change",
        "review",
        "The myocardium has 100 ml at ED and 60 ml at ES, though muscle keeps its volume.",
        1,
        None,
        0.6,
        0.75,
    )
    assert check_end_systole(replace(_measured(), es_phase=9)) == Flag(
        "end_systole_time",
        "review",
        "ES comes 75% of a beat after ED, where 20% to 65% is usual.",
        9,
        None,
        0.75,
        0.65,
    )


@pytest.mark.parametrize("lacking", ["left", "right", "myocardial_mass_g"])
def test_each_number_is_needed_for_the_limits(lacking: str) -> None:
    odd = _measured(left=[30.0, 29.0], right=[500.0, 480.0])
    assert check_volumes(replace(odd, **{lacking: None})) is None
    if lacking != "myocardial_mass_g":
        assert check_ejection(replace(odd, **{lacking: None})) is None
        assert check_stroke_volumes(replace(odd, **{lacking: None})) is None


@pytest.mark.parametrize("lacking", ["ed_phase", "es_phase"])
def test_a_rule_on_two_phases_needs_both(lacking: str) -> None:
    odd = replace(_measured(wall=[100.0] + [10.0] * 11), ed_phase=0, es_phase=1)
    assert check_mass_change(odd) is not None
    assert check_end_systole(odd) is not None
    assert check_mass_change(replace(odd, **{lacking: None})) is None
    assert check_end_systole(replace(odd, **{lacking: None})) is None


def test_few_phases_have_no_beat_to_judge() -> None:
    volumes = [100.0, 0.0, 60.0, 90.0]
    few = replace(_measured(left=volumes, right=volumes), es_phase=1, times_ms=None)
    assert check_volume_jumps(few) is not None
    few = replace(few, kind="few_phases")
    assert check_volume_jumps(few) is None
    assert check_end_systole(replace(few, es_phase=3)) is None
    assert check_phase_order(replace(_measured(left=LEFT[::2] + LEFT[1::2]), times_ms=None, kind="few_phases")) is None


@pytest.mark.parametrize(("dip_ml", "excess"), [(40.0, None), (39.0, 1.61)])
def test_the_limit_of_the_way_of_a_beat(dip_ml: float, excess: float | None) -> None:
    """Of eight phases: up by 100 ml, down to the dip and up again, down by 100: 320 of 2 x 100 ml for a dip of 60."""
    curve = [0.0, 100.0, dip_ml, 100.0, 0.0, 0.0, 0.0, 0.0]
    flag = check_phase_order(replace(_measured(left=curve, right=curve), times_ms=None))
    expected = None
    if excess is not None:
        sentence = (
            "No clock orders the phases, and the left cavity's volume travels 1.6 times the way of one beat: "
            "the phases may be out of order."
        )
        expected = Flag("phase_order", "fail", sentence, None, None, pytest.approx(excess), 1.6)
    assert flag == expected


def test_small_volumes_have_an_order_too() -> None:
    curve = [0.0, 0.9, 0.0, 0.9, 0.0, 0.9, 0.0, 0.9]
    flag = check_phase_order(replace(_measured(left=curve, right=curve), times_ms=None))
    assert flag is not None
    assert flag.value == pytest.approx(4.0)


def _calibrated(*dice: float | None, phase: int = 1) -> Flag | None:
    """Of three structures at the second phase, sure at the first; 0.9 passes and below 0.8 fails."""
    names = ("left_ventricle", "myocardium", "right_ventricle")
    limits = Certainty({}, {}, {}, {}, level=0.9, pass_dice=0.9, fail_dice=0.8)
    columns = {name: (0.95, one) for name, one in zip(names, dice, strict=True)}
    return check_confidence(replace(_measured(), confidence=columns, certainty=limits), phase)


def test_a_calibrated_dice_in_full() -> None:
    assert _calibrated(0.91, 0.88004, 0.9) == Flag(
        "low_confidence",
        "review",
        "A mean Dice of 0.897 is to be expected, below 0.900 (left ventricle 0.91, myocardium 0.88, right ventricle "
        "0.90).",
        1,
        None,
        0.8967,
        0.9,
    )
    absent = _calibrated(0.96, None, 0.9)
    assert absent is not None
    assert (absent.severity, absent.value) == ("fail", 0.62)
    assert absent.message == (
        "A mean Dice of 0.620 is to be expected, below 0.900 (left ventricle 0.96, myocardium 0.00, right ventricle "
        "0.90)."
    )


@pytest.mark.parametrize(
    ("dice", "severity"), [(0.9, None), (0.8999, "review"), (0.8, "review"), (0.7999, "fail"), (None, None)]
)
def test_the_limits_of_a_calibrated_dice(dice: float | None, severity: str | None) -> None:
    """With every structure absent nothing is said: `missing_structure` does."""
    flag = _calibrated(dice, dice, dice)
    assert (flag and flag.severity) == severity
    assert _calibrated(dice, dice, dice, phase=0) is None


def test_the_header_s_pose_in_full() -> None:
    found = PoseFinding(Pose(False, True, True), AS_STORED, True, over_header=1.51234, over_next=1.5)
    assert check_header_pose(replace(_measured(), pose=found)) == Flag(
        "header_pose",
        "review",
        f"By the picture slices are laid down turned by 180 degrees, by the header {AS_STORED.name}.",
        None,
        None,
        1.5123,
        1.2,
    )


def test_a_jump_in_full() -> None:
    wall = [100.0, 101, 118, 100, 99, 100, 100, 84, 100, 100, 100, 100]
    assert check_volume_jumps(_measured(wall=wall)) == Flag(
        "volume_jump",
        "review",
        "The volume of myocardium jumps from phase to phase (2 phases, first phase 3).",
        phase=2,
        value=2.0,
    )


def test_uncalibrated_dice_in_full() -> None:
    flag = _unsure({"left_ventricle": [0.5, 0.9], "myocardium": [0.5, 0.84]}, 1)
    assert flag == Flag(
        "low_confidence",
        "fail",
        "The network is unsure: expected Dice, not calibrated, of left ventricle 0.900, myocardium 0.840.",
        1,
        None,
        0.84,
        0.92,
    )
