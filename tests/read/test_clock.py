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
