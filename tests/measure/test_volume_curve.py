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


@pytest.mark.parametrize(("rate", "period_ms"), [(80.0, 750.0), (80.1, 900.0)])
def test_the_last_phase_lasts_half_a_step_at_least(rate: float, period_ms: float) -> None:
    """At 80 a minute the beat of 750 ms ends half a step after the last phase; at 80.1 before that."""
    beat = make_beat(3, times_ms=(0, 300, 600), heart_rate_bpm=rate)
    assert beat.period_ms == period_ms
    assert beat.turns.tolist() == [0.0, 300 / period_ms, 600 / period_ms]


@pytest.mark.parametrize(("rate", "period_ms"), [(60.0, 1000.0), (59.9, None)])
def test_times_over_half_a_beat_are_believed(rate: float, period_ms: float | None) -> None:
    beat = make_beat(3, times_ms=(0, 250, 500), heart_rate_bpm=rate)
    assert beat.period_ms == period_ms
    assert beat.turns.tolist() == ([0.0, 0.25, 0.5] if period_ms else [0.0, 1 / 3, 2 / 3])


def test_the_last_phase_lasts_a_median_step() -> None:
    assert make_beat(4, times_ms=(0, 100, 200, 600)).period_ms == 700.0


def test_the_origin_of_times_does_not_matter() -> None:
    near, far = (make_beat(3, times_ms=(start, start + 300, start + 600), heart_rate_bpm=70) for start in (0, 5000))
    assert near.turns.tolist() == far.turns.tolist()
    assert near.period_ms == far.period_ms


def test_beats_of_one_and_two_phases() -> None:
    one = make_beat(1, times_ms=(70,), heart_rate_bpm=60)
    assert (one.turns.tolist(), one.period_ms) == ([0.0], 1000.0)
    two = make_beat(2, times_ms=(70, 470))
    assert (two.turns.tolist(), two.period_ms) == ([0.0, 0.5], 800.0)
    assert make_beat(3, heart_rate_bpm=0.0).period_ms is None


@pytest.mark.parametrize(("n_phases", "limit_ml"), [(40, 25.0), (20, 25.0), (10, 50.0)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_limit_of_a_spike(n_phases: int, limit_ml: float, sign: int) -> None:
    """On a beat of 50 and 150 ml: a quarter of the range, or 5 ranges over the number of phases."""
    for excess_ml, found in ((limit_ml, []), (limit_ml + 0.01, [2])):
        volumes = [150.0] * (n_phases // 2) + [50.0] * (n_phases // 2)
        volumes[2] += sign * excess_ml
        assert np.flatnonzero(find_spikes(volumes)).tolist() == found


def test_a_phase_without_volume_between_two_that_have_some_is_a_spike() -> None:
    """Even where it sticks out by little, as 20 of 100 ml here; a little volume is a beat's."""
    assert np.flatnonzero(find_spikes([100.0, 90, 40, 20, 0, 20, 60, 90])).tolist() == [4]
    assert np.flatnonzero(find_spikes([100.0, 90, 40, 0.5, 0, 0.5, 60, 90])).tolist() == [4]
    assert not find_spikes([100.0, 90, 40, 20, 1, 20, 60, 90]).any()
    assert not find_spikes([100.0, 90, 40, 0, 0, 20, 60, 90]).any()
    assert not find_spikes([100.0, 90, 40, 20, 0, 0, 60, 90]).any()
    assert not find_spikes([0.0] * 8).any()


@pytest.mark.parametrize("sign", [-1, 1])
def test_up_to_a_quarter_of_the_phases_may_be_spikes(sign: int) -> None:
    for n_phases, spikes, found in ((8, (1, 4), [1, 4]), (7, (1, 4), []), (8, (1, 3, 5), [])):
        volumes = [100.0 + sign * 50.0 * (t in spikes) for t in range(n_phases)]
        assert np.flatnonzero(find_spikes(volumes)).tolist() == found


def test_spikes_move_with_the_beat() -> None:
    volumes = [*BEAT[:5], 0.0, *BEAT[6:]]
    for start in range(17):
        np.testing.assert_array_equal(find_spikes(np.roll(volumes, start)), np.roll(find_spikes(volumes), start))


def test_seven_phases_are_passed_through_and_two_give_their_mean() -> None:
    volumes = [120.0, 90.0, 61.0, 50.0, 77.0, 93.0, 101.0]
    np.testing.assert_allclose(smooth_volumes(volumes, make_beat(7), spikes=_none(7)), volumes, atol=1e-6)
    np.testing.assert_allclose(smooth_volumes([100.0, 60.0], make_beat(2), spikes=_none(2)), [80.0, 80.0], atol=1e-6)
    spikes = np.array([False] * 6 + [True])  # six are left: two harmonics
    assert np.abs(smooth_volumes(volumes, make_beat(7), spikes=spikes) - volumes)[:6].max() > 0.1


def test_the_rates_follow_four_harmonics_and_no_more() -> None:
    beat = make_beat(20, heart_rate_bpm=60)
    fourth = peak_rates(100 + 10 * np.cos(8 * np.pi * beat.turns), beat, spikes=_none(20))
    assert fourth.filling_ml_per_s == pytest.approx(10 * 8 * np.pi, rel=1e-3)
    assert fourth.ejection_ml_per_s == pytest.approx(10 * 8 * np.pi, rel=1e-3)
    fifth = peak_rates(100 + 10 * np.cos(10 * np.pi * beat.turns), beat, spikes=_none(20))
    assert fifth.filling_ml_per_s == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("n_phases", "n_spikes", "known"), [(9, 0, True), (8, 0, False), (11, 2, True), (10, 2, False)]
)
def test_rates_need_nine_phases_that_did_not_fail(n_phases: int, n_spikes: int, known: bool) -> None:
    beat = make_beat(n_phases, heart_rate_bpm=60)
    spikes = np.arange(n_phases) % 4 == 2
    spikes &= spikes.cumsum() <= n_spikes
    rates = peak_rates(np.where(spikes, 0.0, _cosine(beat.turns)), beat, spikes=spikes)
    assert (rates.filling_ml_per_s is not None) is known
    assert (rates.ejection_ml_per_s is not None) is known
    if known:
        assert rates.filling_ml_per_s == pytest.approx(314.16, rel=0.01)


def test_ejection_falls_and_filling_rises() -> None:
    """Half as long to empty as to fill: the fall is the steeper one; backwards in time, the rise."""
    turns = np.arange(24) / 24
    volumes = np.where(turns < 1 / 3, 150.0 - 300.0 * turns, 50.0 + 150.0 * (turns - 1 / 3))
    beat = make_beat(24, heart_rate_bpm=120)
    forward = peak_rates(volumes, beat, spikes=_none(24))
    backward = peak_rates(np.roll(volumes[::-1], 1), beat, spikes=_none(24))
    assert forward.ejection_ml_per_s > 1.4 * forward.filling_ml_per_s
    assert (backward.filling_ml_per_s, backward.ejection_ml_per_s) == pytest.approx(
        (forward.ejection_ml_per_s, forward.filling_ml_per_s), rel=0.01
    )


def test_a_heart_that_does_not_move_has_rates_of_nothing() -> None:
    rates = peak_rates([80.0] * 12, make_beat(12, heart_rate_bpm=60), spikes=_none(12))
    assert (rates.ejection_ml_per_s, rates.filling_ml_per_s) == pytest.approx((0.0, 0.0), abs=1e-6)


@pytest.mark.parametrize(("wait_steps", "scanned"), [(1.5, True), (1.51, False)])
def test_a_wait_of_a_step_and_a_half_is_still_scanned(wait_steps: float, scanned: bool) -> None:
    """A wave is then fitted as it is; after a longer wait its crest is cut by the line that holds the fit."""
    first = 15.0 - 13.0 - (wait_steps - 1.0)
    turns = np.concatenate([[0.0], (first + np.arange(14)) / 16])
    assert 1.0 - turns[-1] == pytest.approx(wait_steps / 16)
    bent = np.abs(smooth_volumes(_cosine(turns), Beat(turns, 1000.0), spikes=_none(15)) - _cosine(turns)).max()
    assert bent < 1e-5 if scanned else bent > 0.5


def test_the_curve_is_held_to_a_straight_line_where_nothing_was_scanned() -> None:
    """Eight of sixteen steps scanned: with nothing to hold it, a fit of six coefficients swings far out."""
    turns = np.arange(9) / 16
    volumes = 100.0 + 40.0 * np.sin(2 * np.pi * turns) + np.where(np.arange(9) % 2, 1.0, -1.0)
    curve = smooth_volumes(volumes, Beat(turns, 1000.0), spikes=_none(9))
    np.testing.assert_allclose(curve, volumes, atol=6.0)
    rates = peak_rates(volumes, Beat(turns, 1000.0), spikes=_none(9))
    assert rates.filling_ml_per_s == pytest.approx(40 * 2 * np.pi, rel=0.35)


def _recorded(turns: np.ndarray) -> np.ndarray:
    """A beat of no symmetry: it falls, rests, and rises ever faster to the end of the scan."""
    return 100.0 - 30.0 * np.sin(2 * np.pi * turns) + 60.0 * turns**3


def test_the_line_that_holds_the_curve_has_a_point_every_step() -> None:
    """Thirteen of sixteen steps scanned: three points more, from the last volume straight to the first one."""
    turns = np.arange(13) / 16
    volumes = _recorded(turns)
    steps = np.arange(1, 4) / 4
    times = np.concatenate([turns, np.array([13, 14, 15]) / 16])
    held = np.concatenate([volumes, volumes[-1] + steps * (volumes[0] - volumes[-1])])
    angles = 2 * np.pi * np.outer(times, [1, 2, 3])
    waves = np.hstack([np.ones((16, 1)), np.cos(angles), np.sin(angles)])
    expected = waves[:13] @ np.linalg.lstsq(waves, held, rcond=None)[0]
    np.testing.assert_allclose(smooth_volumes(volumes, Beat(turns, 1000.0), spikes=_none(13)), expected, atol=1e-5)


def test_a_first_phase_that_failed_is_as_if_the_scan_had_started_later() -> None:
    turns = np.arange(13) / 16
    volumes = _recorded(turns)
    volumes[0] = 0.0
    spikes = np.arange(13) == 0
    later = Beat(turns[1:] - turns[1], 1000.0)
    np.testing.assert_allclose(
        smooth_volumes(volumes, Beat(turns, 1000.0), spikes=spikes)[1:],
        smooth_volumes(volumes[1:], later, spikes=_none(12)),
        atol=1e-5,
    )


def test_the_usual_step_tells_a_wait_from_phases_that_were_left_out() -> None:
    """Steps of 1/16 but for one of 7/16: a wait of 2/16 is longer than a step and a half, and than no mean step."""
    turns = np.array([0, 1, 2, 3, 4, 5, 6, 7, 14]) / 16
    bent = np.abs(smooth_volumes(_cosine(turns), Beat(turns, 1000.0), spikes=_none(9)) - _cosine(turns)).max()
    assert bent > 0.1


def test_a_scan_backwards_in_time_swaps_the_rates() -> None:
    """To the last scanned moment, where this one rises fastest."""
    turns = np.arange(13) / 16
    forward = peak_rates(_recorded(turns), Beat(turns, 1000.0), spikes=_none(13))
    backward = peak_rates(_recorded(turns)[::-1], Beat(turns, 1000.0), spikes=_none(13))
    assert forward.filling_ml_per_s > 1.2 * forward.ejection_ml_per_s
    assert (backward.filling_ml_per_s, backward.ejection_ml_per_s) == pytest.approx(
        (forward.ejection_ml_per_s, forward.filling_ml_per_s), rel=1e-6
    )


@pytest.mark.parametrize("steepest", [0.01, 0.5, 0.99])
def test_slopes_are_looked_for_all_around_the_beat(steepest: float) -> None:
    beat = make_beat(20, heart_rate_bpm=60)
    rates = peak_rates(100 + 50 * np.sin(2 * np.pi * (beat.turns - steepest)), beat, spikes=_none(20))
    assert rates.filling_ml_per_s == pytest.approx(100 * np.pi, rel=1e-4)


def test_times_that_are_refused_are_told() -> None:
    with pytest.raises(GridError) as refused:
        make_beat(3, times_ms=(0, 200, 100))
    assert str(refused.value) == "`times_ms` must be 3 rising times, got [0.0, 200.0, 100.0]"


def test_volumes_alike_stay_alike_when_they_are_smoothed() -> None:
    """To a millionth of a ml: the first of equal phases is to be taken, whatever the fit's last digits."""
    smooth = smooth_volumes([80.0] * 11, make_beat(11), spikes=_none(11))
    assert set(smooth.tolist()) == {80.0}
    fine = smooth_volumes([100 / 3, 50.0, 200 / 3, 50.0, 100 / 3, 60.0], make_beat(6), spikes=_none(6))
    assert fine.tolist() == [round(float(ml), 6) for ml in fine]
