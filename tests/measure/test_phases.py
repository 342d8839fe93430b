"""End-diastole and end-systole: cycles, bad phases, choices."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import ConfigError
from pipeline.measure.phases import find_phases, smooth_beat

BEAT = [140.0, 132.0, 115.0, 95.0, 76.0, 62.0, 55.0, 53.0, 60.0, 78.0, 98.0, 112.0, 118.0, 121.0, 124.0, 129.0, 136.0]
"""A beat of 17 phases: ED at 0, ES at 7, fast filling, a plateau, the atrium's kick."""


def test_a_beat_by_eye() -> None:
    phases = find_phases(BEAT)
    assert (phases.ed, phases.es, phases.kind) == (0, 7, "cine")
    assert (phases.ed_from, phases.es_from) == ("curve", "curve")
    assert phases.curve_ml is not None
    assert phases.curve_ml == pytest.approx(BEAT, abs=4.0)


@pytest.mark.parametrize("start", range(17))
def test_where_the_recording_starts_does_not_matter(start: int) -> None:
    rolled = BEAT[start:] + BEAT[:start]
    phases = find_phases(rolled)
    assert (phases.ed, phases.es) == ((0 - start) % 17, (7 - start) % 17)
    np.testing.assert_allclose(smooth_beat(rolled), np.roll(smooth_beat(BEAT), -start))


@pytest.mark.parametrize("bad", range(17))
@pytest.mark.parametrize("factor", [0.0, 2.5])
def test_one_failed_phase_becomes_neither(bad: int, factor: float) -> None:
    volumes = list(BEAT)
    volumes[bad] *= factor
    phases = find_phases(volumes)
    assert bad not in (phases.ed, phases.es)
    assert min((phases.ed - 0) % 17, (0 - phases.ed) % 17) <= 1
    assert abs(phases.es - 7) <= 1


def test_single_frames_are_taken_as_they_are() -> None:
    assert (find_phases([80.0, 100.0, 40.0, 40.0]).ed, find_phases([80.0, 100.0, 40.0, 40.0]).es) == (1, 2)
    assert find_phases([100.0, 40.0]).curve_ml is None
    alone = find_phases([5.0])
    assert (alone.kind, alone.ed, alone.es) == ("single_phase", 0, None)


def test_the_user_has_the_last_word() -> None:
    phases = find_phases(BEAT, ed=16, es=6)
    assert (phases.ed, phases.es, phases.ed_from, phases.es_from) == (16, 6, "given", "given")
    assert find_phases(BEAT, es=6).ed_from == "curve"
    with pytest.raises(ConfigError, match=r"`ed` must be a phase from 0 to 16, got 17"):
        find_phases(BEAT, ed=17)
    with pytest.raises(ConfigError, match="two phases, got 7 for both"):
        find_phases(BEAT, ed=7)
    with pytest.raises(ConfigError, match="single phase"):
        find_phases([5.0], es=0)


def test_where_nothing_was_found_two_phases_are_named() -> None:
    phases = find_phases([0.0] * 8)
    assert (phases.ed, phases.es) == (0, 1)
