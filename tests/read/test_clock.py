"""Times that give a heart beat, units told by it, and a heart rate in the place of a clock."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.beat import beat_of_times
from pipeline.core.errors import ConfigError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, StudyFacts
from pipeline.read.clock import credible_times, with_heart_rate


def steps(step: float, n: int = 25) -> list[float]:
    return [step * phase for phase in range(n)]


@pytest.mark.parametrize(("step", "unit"), [(0.04, "s"), (40.0, "ms"), (40000.0, "us")])
def test_a_beat_of_a_second_in_each_unit_as_stated(step, unit):
    times, notes = credible_times(steps(step), unit=unit)
    assert times == pytest.approx(steps(40.0))
    assert notes == ()


@pytest.mark.parametrize(
    ("step", "unit"),
    [(40.0, "s"), (0.04, "ms"), (40.0, "us"), (40.0, None), (0.04, None), (40000.0, "ms"), (40.0e3, None)],
)
def test_a_wrong_or_missing_unit_is_told_by_the_beat(step, unit):
    times, notes = credible_times(steps(step), unit=unit)
    assert times == pytest.approx(steps(40.0))
    assert len(notes) == 1
    assert notes[0].endswith("it is 40 ms")


@pytest.mark.parametrize(
    ("step", "unit", "n"),
    [
        (0.00268, "s", 25),  # a repetition time of 2.68 ms: a beat of 67 ms
        (2.68, "ms", 25),
        (0.00268, "s", 4),  # be it of an excerpt
        (0.2, "s", 25),  # 5 s
        (2.0, "s", 25),  # one heart beat a phase, of real-time imaging
        (1.0, None, 2),  # the filler of a header that knows none
        (1.0, "s", 30),
    ],
)
def test_what_is_no_heart_beat_gives_no_times(step, unit, n):
    times, notes = credible_times(steps(step, n), unit=unit)
    assert times is None
    assert "times of the phases are unknown" in notes[0]
    assert "--heart-rate" in notes[0]


@pytest.mark.parametrize("times", [[0.0, 0.0, 0.0], [0.0, 40.0, 30.0], [0.0, np.nan], [0.0, np.inf], [80.0, 40.0, 0.0]])
def test_times_that_do_not_rise_are_unknown(times):
    assert credible_times(times, unit="ms")[0] is None


def test_one_phase_has_no_time_and_no_note():
    assert credible_times([0.0], unit="ms") == (None, ())


def test_no_two_units_are_ever_credible():
    for n in (2, 5, 8, 9, 25, 100):
        for step in np.geomspace(1e-4, 1e5, 500):
            found = [credible_times(steps(step, n), unit=unit)[0] for unit in ("s", "ms", "us", None)]
            known = {one[1] for one in found if one is not None}
            assert len(known) <= 1
            assert found[3] is None or found[0] is not None  # what no unit says, a wrong one says as well


def cine(n=25, *, times=None, rate=None) -> Cine:
    array = np.zeros((n, 2, 2, 3), np.float32)
    return Cine(array, Grid((2, 2, 3), np.eye(4)), times_ms=times, facts=StudyFacts(heart_rate_bpm=rate, height_m=1.8))


@pytest.mark.parametrize("times", [None, tuple(steps(2.68)), tuple(steps(400.0))])
@pytest.mark.parametrize("known", [None, 61.0])
def test_without_a_credible_clock_the_rate_gives_the_beat(times, known):
    timed = with_heart_rate(cine(times=times, rate=known), 75)
    assert timed.times_ms == pytest.approx(steps(32.0))
    assert beat_of_times(timed.times_ms) == pytest.approx(800.0)
    assert (timed.facts.heart_rate_bpm, timed.facts.height_m) == (75.0, 1.8)
    assert timed.notes == (
        "times of the phases are spread evenly over a beat of 800 ms, of the heart rate given (75 a minute)",
    )


def test_a_credible_clock_stays_and_the_rate_fills_a_gap():
    timed = with_heart_rate(cine(times=tuple(steps(40.0))), 75)
    assert timed.times_ms == tuple(steps(40.0))
    assert timed.facts.heart_rate_bpm == 75.0
    assert "states none" in timed.notes[0]


def test_what_the_header_states_is_not_overruled():
    timed = with_heart_rate(cine(times=tuple(steps(40.0)), rate=61.0), 75)
    assert (timed.times_ms, timed.facts.heart_rate_bpm) == (tuple(steps(40.0)), 61.0)
    assert "is not used" in timed.notes[0]


def test_one_phase_takes_the_rate_alone():
    timed = with_heart_rate(cine(1), 75)
    assert (timed.times_ms, timed.facts.heart_rate_bpm) == (None, 75.0)


@pytest.mark.parametrize(("n", "ed_phase"), [(2, None), (2, 0), (4, 1)])
def test_ed_and_es_alone_are_not_spread_over_the_beat(n, ed_phase):
    single = cine(n)
    single = replace(
        single,
        facts=replace(single.facts, ed_phase=ed_phase, es_phase=None if ed_phase is None else 1 - min(ed_phase, 1)),
    )
    timed = with_heart_rate(single, 75)
    assert (timed.times_ms, timed.facts.heart_rate_bpm) == (None, 75.0)
    assert "spread" not in timed.notes[0]


def test_no_rate_changes_nothing_and_an_impossible_one_is_refused():
    plain = cine()
    assert with_heart_rate(plain, None) is plain
    for rate in (0.0, 5.0, 400.0):
        with pytest.raises(ConfigError, match="30 to 240"):
            with_heart_rate(plain, rate)


INSTEAD = "a heart rate given (`--heart-rate`) stands in for them"


@pytest.mark.parametrize(
    ("times", "unit", "told"),
    [
        (steps(0.0), "ms", "the header's time step is 0"),
        ([0.0, 40.0, 30.0, 70.0], "ms", "the header's time step is 40"),  # most of them; not all
        ([0.0, np.inf], "s", "the header's time step is inf"),
        (steps(1.0), None, "the header states no unit of time"),
        (steps(2.68), "ms", "a step of 2.68 ms in 25 phases gives no heart beat (250 to 2000 ms)"),
        (steps(0.2, 30), None, "a step of 0.2 without a unit in 30 phases gives no heart beat (250 to 2000 ms)"),
    ],
)
def test_why_times_are_unknown(times, unit, told):
    assert credible_times(times, unit=unit) == (None, (f"times of the phases are unknown: {told}; {INSTEAD}",))


@pytest.mark.parametrize(
    ("step", "unit", "told"),
    [(40.0, "s", "40 s"), (0.04, "ms", "0.04 ms"), (0.04, None, "0.04 without a unit"), (40.0, "us", "40 us")],
)
def test_how_times_are_read_that_are_not_as_stated(step, unit, told):
    times, notes = credible_times(steps(step), unit=unit)
    assert notes == (f"the header has a time step of {told}; by the beat that it gives, it is 40 ms",)
    assert times == tuple(40.0 * phase for phase in range(25))


def test_times_are_rounded_to_a_nanosecond_and_keep_their_offset():
    times, _ = credible_times([0.0123456784, 0.4123456784], unit="s")
    assert times == (12.345678, 412.345678)


def test_a_step_of_1_with_a_unit_is_a_statement():
    assert credible_times(steps(1.0), unit="ms")[1] == (
        f"times of the phases are unknown: a step of 1 ms in 25 phases gives no heart beat (250 to 2000 ms); {INSTEAD}",
    )


def test_two_phases_are_times_and_one_is_none():
    assert credible_times([0.0, 400.0], unit="ms") == ((0.0, 400.0), ())
    assert credible_times([], unit="ms") == (None, ())


def test_what_a_heart_rate_was_used_for_is_told_behind_other_notes():
    read = replace(cine(times=tuple(steps(40.0))), notes=("read",))
    assert with_heart_rate(read, 62.5).notes == (
        "read",
        "the heart rate is not the header's, which states none, but the heart rate given (62.5 a minute)",
    )
    stated = replace(read, facts=replace(read.facts, heart_rate_bpm=61.5))
    assert with_heart_rate(stated, 62.5).notes == (
        "read",
        "the heart rate given (62.5 a minute) is not used: the header states times and 61.5 a minute",
    )
    spread = with_heart_rate(replace(cine(), notes=("read",)), 62.5)
    assert spread.notes == (
        "read",
        "times of the phases are spread evenly over a beat of 960 ms, of the heart rate given (62.5 a minute)",
    )


@pytest.mark.parametrize(("n", "ed_phase", "is_spread"), [(3, None, True), (4, 1, False), (5, 1, True), (3, 0, False)])
def test_few_phases_with_a_stated_ed_are_frames_of_their_own(n, ed_phase, is_spread):
    single = cine(n)
    single = replace(single, facts=replace(single.facts, ed_phase=ed_phase, es_phase=ed_phase and 0))
    assert (with_heart_rate(single, 75).times_ms is not None) is is_spread
