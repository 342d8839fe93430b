"""Which beats are credible, and what times and rates give."""

import math

import pytest

from pipeline.core.beat import (
    MAX_BEAT_MS,
    MIN_BEAT_MS,
    beat_of_rate,
    beat_of_times,
    is_credible_beat,
    is_credible_clock,
    spread_over_beat,
)
from pipeline.core.errors import ConfigError


@pytest.mark.parametrize(
    ("beat_ms", "credible"),
    [(250, True), (2000, True), (249.9, False), (2000.1, False), (0, False), (-800, False), (math.nan, False)],
)
def test_limits_of_a_beat(beat_ms, credible):
    assert is_credible_beat(beat_ms) is credible


@pytest.mark.parametrize(
    ("n_phases", "step_ms", "credible"),
    [
        (9, 28, True),  # 252 ms
        (9, 27, False),
        (8, 27, True),  # so few may be a part of a beat
        (8, 10, True),
        (8, 9.9, False),
        (8, 250, True),  # 2000 ms
        (8, 251, False),
        (20, 100, True),
        (20, 101, False),
    ],
)
def test_limits_of_a_clock(n_phases, step_ms, credible):
    assert is_credible_clock([5.0 + step_ms * t for t in range(n_phases)]) is credible


def test_a_rate_and_its_beat():
    assert beat_of_rate(60) == 1000.0
    assert (beat_of_rate(240), beat_of_rate(30)) == (MIN_BEAT_MS, MAX_BEAT_MS)


@pytest.mark.parametrize("rate", [0, -60, 29, 241, 1.2, math.nan, math.inf])
def test_rates_of_no_heart_are_refused(rate):
    with pytest.raises(ConfigError, match="30 to 240 beats a minute, got"):
        beat_of_rate(rate)


def test_times_of_a_rate_give_its_beat():
    assert spread_over_beat(1, beat_ms=800.0) == (0.0,)
    for n_phases in (2, 7, 25, 30):
        times = spread_over_beat(n_phases, beat_ms=900.0)
        assert len(times) == n_phases
        assert times[0] == 0.0
        assert beat_of_times(times) == pytest.approx(900.0)


def test_one_late_phase_does_not_lengthen_the_last():
    assert beat_of_times([0, 40, 80, 160]) == 200.0
