"""Each rule on the numbers: tripped by hand, and not by usual numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.measurements import Measurements
from pipeline.measure.function import ventricular_function
from pipeline.measure.function_checks import (
    FUNCTION_RULES,
    check_confidence,
    check_ejection,
    check_end_systole,
    check_mass_change,
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


def test_without_a_cavity_there_is_no_fraction_to_judge() -> None:
    assert check_ejection(_measured(right=[0.0] * 12)) is None


def test_stroke_volumes() -> None:
    flag = check_stroke_volumes(_measured(left=[150.0, 60.0], right=[160.0, 120.0]))  # 90 and 40
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase, flag.threshold) == ("stroke_volumes", "review", None, 0.5)
    assert flag.value == pytest.approx(50 / 90)
    assert check_stroke_volumes(_measured(left=[150.0, 60.0], right=[160.0, 115.0])) is None  # 90 and 45
    assert check_stroke_volumes(_measured(left=[150.0, 120.0], right=[160.0, 150.0])) is None  # 30 and 10: few ml
    assert check_stroke_volumes(_measured(left=[150.0, 150.0], right=[160.0, 200.0])) is None  # no stroke


def test_the_mass_at_ed_and_es() -> None:
    wall = [100.0] * 5 + [150.0] + [100.0] * 6
    flag = check_mass_change(_measured(wall=wall))
    assert flag is not None
    assert (flag.rule, flag.phase, flag.value, flag.threshold) == ("mass_change", 5, 1.5, 1.4)
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


@pytest.mark.parametrize(("es", "expected"), [(1, 1 / 12), (2, 2 / 12), (8, 8 / 12), (10, 10 / 12)])
def test_end_systole_at_an_odd_time(es: int, expected: float) -> None:
    flag = check_end_systole(replace(_measured(), es_phase=es))
    assert flag is not None
    assert (flag.rule, flag.phase) == ("end_systole_time", es)
    assert flag.value == pytest.approx(expected)


def test_end_systole_counts_from_ed_around_the_beat() -> None:
    assert check_end_systole(replace(_measured(), ed_phase=10, es_phase=3)) is None  # 5 of 12 phases
    assert check_end_systole(replace(_measured(), ed_phase=5, es_phase=0)) is None  # 7 of 12
    assert check_end_systole(replace(_measured(), ed_phase=5, es_phase=6)) is not None


def test_end_systole_counts_time_where_it_is_known() -> None:
    half = replace(_measured(), times_ms=[50.0 * phase for phase in range(12)])  # 550 ms of a beat of 1000
    assert check_end_systole(replace(half, es_phase=8)) is None
    assert check_end_systole(replace(half, es_phase=8, times_ms=None)) is not None


def test_confidence() -> None:
    sure = {"left_ventricle": [0.98, 0.95], "myocardium": [0.95, None], "right_ventricle": [0.96, float("nan")]}
    assert check_confidence(sure, 0) is None
    assert check_confidence(sure, 1) is None
    flag = check_confidence(sure | {"left_ventricle": [0.98, 0.93], "right_ventricle": [0.96, 0.85]}, 1)
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase) == ("low_confidence", "review", 1)
    assert (flag.value, flag.threshold) == (0.85, 0.89)  # the farthest below
    assert flag.message == "The network is unsure: expected Dice of left ventricle 0.930, right ventricle 0.850."
    flag = check_confidence(sure | {"myocardium": [0.6, 0.9]}, 0)
    assert flag is not None
    assert flag.severity == "fail"
