"""End-diastole and end-systole: cycles, bad phases, choices."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import ConfigError
from pipeline.measure.phases import Phases, find_phases, kind_of
from pipeline.measure.volume_curve import find_spikes, make_beat, smooth_volumes

BEAT = [140.0, 132.0, 115.0, 95.0, 76.0, 62.0, 55.0, 53.0, 60.0, 78.0, 98.0, 112.0, 118.0, 121.0, 124.0, 129.0, 136.0]
"""A beat of 17 phases: ED at 0, ES at 7, fast filling, a plateau, the atrium's kick."""

SUNNYBROOK = {
    "SCD0000101": (
        "186.6 179.2 174.8 164.0 158.2 151.3 143.4 136.1 136.7 142.9 152.9 160.4 172.0 178.3 174.3 177.3 176.8 183.7 "
        "189.9 190.3",
        (18, 7),
    ),
    "SCD0000201": (
        "271.0 267.8 256.8 230.0 220.6 211.5 209.9 214.6 210.4 212.5 231.5 250.3 256.5 262.7 267.8 267.2 265.8 274.2 "
        "278.7 270.4",
        (19, 6),
    ),
}
"""Left cavity in ml as a network segmented it in two public studies, and the phases that the experts chose."""


def test_a_beat_by_eye() -> None:
    phases = find_phases(BEAT)
    assert (phases.ed, phases.es, phases.kind) == (0, 7, "cine")
    assert (phases.ed_from, phases.es_from) == ("curve", "curve")
    assert phases.curve_ml == pytest.approx(BEAT, abs=6.0)
    assert phases.passed_over == ()


@pytest.mark.parametrize("start", range(17))
def test_where_the_recording_starts_does_not_matter(start: int) -> None:
    phases = find_phases(BEAT[start:] + BEAT[:start])
    assert (phases.ed, phases.es) == ((0 - start) % 17, (7 - start) % 17)


@pytest.mark.parametrize("bad", range(17))
@pytest.mark.parametrize("factor", [0.0, 0.4, 2.0])
def test_one_failed_phase_becomes_neither(bad: int, factor: float) -> None:
    volumes = list(BEAT)
    volumes[bad] *= factor
    phases = find_phases(volumes)
    assert bad not in (phases.ed, phases.es) or factor == 0.4  # at ES 0.4 of a small volume is no failure to be seen
    assert min((phases.ed - 0) % 17, (0 - phases.ed) % 17) <= 1
    assert abs(phases.es - 7) <= 1


@pytest.mark.parametrize("study", SUNNYBROOK)
def test_real_beats_are_read_as_experts_read_them(study: str) -> None:
    volumes, (ed, es) = SUNNYBROOK[study]
    phases = find_phases([float(ml) for ml in volumes.split()], beat=make_beat(20, heart_rate_bpm=78))
    assert abs(phases.ed - ed) <= 1
    assert abs(phases.es - es) <= 1
    assert phases.passed_over == ()


def test_kinds() -> None:
    assert [kind_of(n) for n in (1, 2, 4, 5, 30)] == ["single_phase", "few_phases", "few_phases", "cine", "cine"]


def test_single_frames_are_taken_as_they_are() -> None:
    found = find_phases([80.0, 100.0, 40.0, 40.0])
    assert (found.ed, found.es, found.curve_ml) == (1, 2, None)
    alone = find_phases([5.0])
    assert (alone.kind, alone.ed, alone.es) == ("single_phase", 0, None)


def test_the_user_has_the_last_word() -> None:
    phases = find_phases(BEAT, ed=16, es=6)
    assert (phases.ed, phases.es, phases.ed_from, phases.es_from) == (16, 6, "given", "given")
    assert find_phases(BEAT, es=6).ed_from == "curve"
    spoilt = [0.0 if t == 6 else ml for t, ml in enumerate(BEAT)]
    assert find_phases(spoilt, es=6).es == 6


def test_phases_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"`ed` must be a phase from 0 to 16, got 17"):
        find_phases(BEAT, ed=17)
    with pytest.raises(ConfigError, match=r"`es` must be a phase from 0 to 16, got -1"):
        find_phases(BEAT, es=-1)
    with pytest.raises(ConfigError, match="two phases, got 7 for both"):
        find_phases(BEAT, ed=7)
    with pytest.raises(ConfigError, match="single phase"):
        find_phases([5.0], es=0)


def test_where_nothing_was_found_two_phases_are_named() -> None:
    assert (find_phases([0.0] * 8).ed, find_phases([0.0] * 8).es) == (0, 1)
    assert (find_phases([7.0] * 2).ed, find_phases([7.0] * 2).es) == (0, 1)


def test_all_that_is_said_of_few_phases_and_of_one() -> None:
    assert find_phases([80.0, 100.0, 40.0]) == Phases("few_phases", 1, 2, "curve", "curve", None, ())
    assert find_phases([80.0, 100.0, 40.0], ed=0, es=1) == Phases("few_phases", 0, 1, "given", "given", None, ())
    assert find_phases([80.0, 100.0, 40.0], es=0) == Phases("few_phases", 1, 0, "curve", "given", None, ())
    assert find_phases([5.0]) == Phases("single_phase", 0, None, "curve", "curve", None, ())
    assert find_phases([5.0], ed=0) == Phases("single_phase", 0, None, "given", "curve", None, ())


def test_all_that_is_said_of_a_cine_with_a_failed_phase() -> None:
    spoilt = [0.0 if t == 12 else ml for t, ml in enumerate(BEAT)]
    spikes = find_spikes(spoilt)
    curve = tuple(smooth_volumes(spoilt, make_beat(17), spikes=spikes).tolist())
    assert find_phases(spoilt) == Phases("cine", 0, 7, "curve", "curve", curve, (12,))
    assert {type(ml) for ml in find_phases(spoilt).curve_ml or ()} == {float}


def test_the_curve_follows_the_beat_s_own_times() -> None:
    """Steps of 30 ms while it empties and of 60 while it fills."""
    steps = np.where(np.arange(17) < 8, 30.0, 60.0)
    beat = make_beat(17, times_ms=np.cumsum(steps).tolist())
    curve = find_phases(BEAT, beat=beat).curve_ml
    assert curve == pytest.approx(smooth_volumes(BEAT, beat, spikes=np.zeros(17, dtype=bool)))
    assert curve != pytest.approx(find_phases(BEAT).curve_ml, abs=0.1)


def test_the_first_phase_and_the_last_may_be_given() -> None:
    assert find_phases(BEAT, ed=0).ed == 0
    assert find_phases(BEAT, ed=1, es=0).es == 0
    assert find_phases(BEAT, ed=0, es=16).es == 16


@pytest.mark.parametrize(
    ("volumes", "ed", "es", "message"),
    [
        (BEAT, 17, None, "`ed` must be a phase from 0 to 16, got 17"),
        (BEAT, 0, -1, "`es` must be a phase from 0 to 16, got -1"),
        (BEAT, 7, None, "`ed` and `es` must be two phases, got 7 for both; give the other as well"),
        (BEAT, None, 0, "`ed` and `es` must be two phases, got 0 for both; give the other as well"),
        (BEAT, 3, 3, "`ed` and `es` must be two phases, got 3 for both; give the other as well"),
        ([5.0], None, 0, "`es` must stay unset for a single phase, which has no end-systole beside it"),
    ],
)
def test_why_a_phase_is_refused(volumes: list[float], ed: int | None, es: int | None, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_phases(volumes, ed=ed, es=es)
    assert str(refused.value) == message
