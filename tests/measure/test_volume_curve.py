"""The beat as a cycle: places of its phases, failed phases, smoothing, slopes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import GridError
from pipeline.measure.volume_curve import Beat, find_spikes, make_beat, peak_rates, smooth_volumes

BEAT = [140.0, 132.0, 115.0, 95.0, 76.0, 62.0, 55.0, 53.0, 60.0, 78.0, 98.0, 112.0, 118.0, 121.0, 124.0, 129.0, 136.0]
"""A beat of 17 phases: ED at 0, ES at 7, fast filling, a plateau, the atrium's kick."""


def _cosine(turns: np.ndarray) -> np.ndarray:
    return 100.0 + 50.0 * np.cos(2 * np.pi * turns)


def _none(n_phases: int) -> np.ndarray:
    return np.zeros(n_phases, dtype=bool)


def test_the_last_phase_lasts_to_the_end_of_the_beat() -> None:
    beat = make_beat(4, times_ms=(20, 220, 420, 620), heart_rate_bpm=60)
    assert beat.period_ms == 1000.0
    assert beat.turns.tolist() == [0.0, 0.2, 0.4, 0.6]


def test_where_the_heart_rate_does_not_fit_the_last_phase_lasts_one_step() -> None:
    for rate in (None, 120.0):  # 120 bpm: a beat of 500 ms, over before the last phase
        beat = make_beat(4, times_ms=(0, 200, 400, 600), heart_rate_bpm=rate)
        assert (beat.period_ms, beat.turns.tolist()) == (800.0, [0.0, 0.25, 0.5, 0.75])


def test_without_times_the_heart_rate_alone_tells_the_period() -> None:
    assert make_beat(4, heart_rate_bpm=75).period_ms == 800.0
    assert make_beat(4).period_ms is None
    assert make_beat(4).turns.tolist() == [0.0, 0.25, 0.5, 0.75]


def test_times_over_less_than_half_a_beat_are_not_believed() -> None:
    beat = make_beat(5, times_ms=(0, 0.2, 0.4, 0.6, 0.8), heart_rate_bpm=60)  # seconds, named as ms
    assert beat.period_ms is None
    assert beat.turns.tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize("times_ms", [(0, 1, 2), (0, 100, 100, 200), (300, 200, 100, 0)])
def test_times_that_are_no_times_are_refused(times_ms: tuple[float, ...]) -> None:
    with pytest.raises(GridError, match="4 rising times"):
        make_beat(4, times_ms=times_ms)


@pytest.mark.parametrize("bad", range(17))
@pytest.mark.parametrize("factor", [0.0, 2.0])
def test_a_failed_phase_is_found_and_nothing_else(bad: int, factor: float) -> None:
    assert not find_spikes(BEAT).any()
    volumes = [factor * ml if t == bad else ml for t, ml in enumerate(BEAT)]
    assert np.flatnonzero(find_spikes(volumes)).tolist() == [bad]


def test_a_sharp_beat_of_few_phases_has_no_spikes() -> None:
    assert not find_spikes([100.0, 60.0, 40.0, 60.0, 90.0]).any()
    assert np.flatnonzero(find_spikes([100.0, 60.0, 0.0, 60.0, 90.0])).tolist() == [2]
    assert not find_spikes([0.0, 80.0] * 3).any()  # nothing to stick out of


def test_low_waves_pass_and_the_fourth_does_not() -> None:
    beat = make_beat(20)
    slow = 100 + 30 * np.cos(6 * np.pi * beat.turns) + 20 * np.sin(2 * np.pi * beat.turns)
    np.testing.assert_allclose(smooth_volumes(slow, beat, spikes=_none(20)), slow, atol=1e-5)
    fast = 100 + 30 * np.cos(8 * np.pi * beat.turns)
    np.testing.assert_allclose(smooth_volumes(fast, beat, spikes=_none(20)), 100.0, atol=1e-5)


def test_a_failed_phase_does_not_bend_the_curve() -> None:
    turns = make_beat(12).turns
    volumes = _cosine(turns)
    volumes[5] = 0.0
    smooth = smooth_volumes(volumes, make_beat(12), spikes=find_spikes(volumes))
    np.testing.assert_allclose(smooth, _cosine(turns), atol=1e-5)


@pytest.mark.parametrize("start", range(0, 17, 4))
def test_where_the_recording_starts_does_not_matter(start: int) -> None:
    smooth = smooth_volumes(BEAT, make_beat(17), spikes=_none(17))
    rolled = smooth_volumes(np.roll(BEAT, -start), make_beat(17), spikes=_none(17))
    np.testing.assert_allclose(rolled, np.roll(smooth, -start), atol=1e-5)


def test_the_largest_of_noisy_volumes_is_too_large_and_the_curve_s_is_not() -> None:
    rng = np.random.default_rng(0)
    noisy = np.array(BEAT) + rng.normal(0.0, 3.0, (200, 17))
    chosen = [row[smooth_volumes(row, make_beat(17), spikes=_none(17)).argmax()] for row in noisy]
    assert noisy.max(axis=1).mean() - 140.0 > 0.5
    assert abs(np.mean(chosen) - 140.0) < 0.75 * (noisy.max(axis=1).mean() - 140.0)


def test_slopes_of_a_cosine() -> None:
    # 50 ml x 2 pi a second either way
    for beat in (make_beat(12, heart_rate_bpm=60), make_beat(12, times_ms=np.arange(12) * 1000 / 12)):
        rates = peak_rates(_cosine(beat.turns), beat, spikes=_none(12))
        assert (rates.ejection_ml_per_s, rates.filling_ml_per_s) == pytest.approx((314.16, 314.16), rel=1e-3)


def test_uneven_steps_are_taken_as_they_are() -> None:
    times = 1000 * (np.arange(16) / 16 + 0.02 * np.sin(np.arange(16)))
    beat = make_beat(16, times_ms=times, heart_rate_bpm=60)
    rates = peak_rates(_cosine(beat.turns), beat, spikes=_none(16))
    assert rates.ejection_ml_per_s == pytest.approx(314.16, rel=1e-3)


def test_what_was_not_scanned_has_no_slope() -> None:
    """Triggered scans stop before the beat ends: here after 80 %, and what is left would rise by 40 ml in 200 ms."""
    turns = np.arange(17) * 0.05
    volumes = np.where(turns < 0.4, 100.0 - 100.0 * turns, 60.0)
    beat = make_beat(17, times_ms=turns * 1000.0, heart_rate_bpm=60)
    assert beat.turns[-1] == pytest.approx(0.8)
    rates = peak_rates(volumes, beat, spikes=_none(17))
    assert rates.ejection_ml_per_s == pytest.approx(100.0, rel=0.3)
    assert rates.filling_ml_per_s < 120.0


def test_rates_that_cannot_be_told() -> None:
    volumes = _cosine(make_beat(8).turns)
    assert peak_rates(volumes, make_beat(8, heart_rate_bpm=60), spikes=_none(8)).ejection_ml_per_s is None
    assert peak_rates(BEAT, Beat(make_beat(17).turns, None), spikes=_none(17)).filling_ml_per_s is None
