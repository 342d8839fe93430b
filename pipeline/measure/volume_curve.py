"""The volume of a ventricle over one beat: detection of failed phases, smoothing, and the steepest slopes.

A beat is a cycle, so the curve is a truncated Fourier series, fitted by least squares to the phases at their times.
Noise makes the largest of many volumes too large and the smallest too small. A smooth curve gives the phase without
that bias. Few harmonics are needed to find ED and ES, more to follow filling (Bacharach et al., Optimum Fourier
filtering of cardiac data, J Nucl Med 24:1176, 1983). docs/measurements.md says how the numbers here were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import GridError

__all__ = ["Beat", "Rates", "find_spikes", "make_beat", "peak_rates", "smooth_volumes"]

PHASE_HARMONICS = 3
"""Harmonics of the curve from which ED and ES are taken."""

RATE_HARMONICS = 4
"""Harmonics of the curve whose slopes are the peak rates. It needs 2 x 4 + 1 phases."""

_SPIKE_SHARE, _SPIKE_PACE = 0.25, 5.0
"""Ventricles empty and fill at up to about 5 stroke volumes a beat. A phase that deviates by more than that pace allows
in one step, up and down again, is a failure. On finely sampled beats a quarter of the stroke is allowed for noise.
"""

_GAP_STEPS = 1.5
"""A wait before the next beat's first phase longer than this many steps is time that was not scanned."""


@dataclass(frozen=True, eq=False)
class Beat:
    """Times of the phases within the beat.

    Attributes:
        turns: (T,) time of each phase as a fraction of the beat from the first phase, 0 to below 1, rising.
        period_ms: length of the beat, or `None` if unknown.
    """

    turns: np.ndarray
    period_ms: float | None


@dataclass(frozen=True)
class Rates:
    """Steepest slopes of a volume curve in ml/s, both positive, or `None` if unknown."""

    ejection_ml_per_s: float | None = None
    filling_ml_per_s: float | None = None


def make_beat(n_phases: int, *, times_ms: Sequence[float] | None = None, heart_rate_bpm: float | None = None) -> Beat:
    """Place the phases in the beat.

    With times and a heart rate the last phase lasts to the end of the R-R interval. If that is not after the last
    phase, or without a heart rate, it lasts one median step. With a heart rate alone the steps are equal. If the
    phases span less than half of the R-R interval, one of the two is wrong: equal steps and an unknown period.

    Args:
        n_phases: T, at least 1.
        times_ms: time of each phase, rising, from any origin.
        heart_rate_bpm: beats a minute.

    Raises:
        GridError: not one time a phase, or times that do not rise.

    >>> make_beat(4, times_ms=[10, 210, 410, 610], heart_rate_bpm=75).turns.tolist()
    [0.0, 0.25, 0.5, 0.75]
    >>> make_beat(4, times_ms=[0, 200, 400, 600]).period_ms
    800.0
    """
    interval_ms = 60_000.0 / heart_rate_bpm if heart_rate_bpm else None
    equal = np.arange(n_phases) / n_phases
    if times_ms is None or n_phases < 2:
        return Beat(equal, interval_ms)
    times = np.asarray(times_ms, dtype=float)
    if len(times) != n_phases or not (np.diff(times) > 0).all():
        raise GridError(f"`times_ms` must be {n_phases} rising times, got {[float(time) for time in times_ms]}")
    span, step = times[-1] - times[0], float(np.median(np.diff(times)))
    if interval_ms is None or interval_ms < span + 0.5 * step:
        interval_ms = span + step
    if span < 0.5 * interval_ms:
        return Beat(equal, None)
    return Beat((times - times[0]) / interval_ms, float(interval_ms))


def find_spikes(volumes_ml: Sequence[float]) -> np.ndarray:
    """Find phases whose segmentation failed: single volumes that stick out of the beat.

    A spike lies above both its neighbours, or below both, by more than 5 / T of the beat's range or a quarter of it,
    whichever is more. The range is that of the circular running median of three. A phase without any volume between two
    that have some is also a spike.

    Args:
        volumes_ml: volume at each phase, T >= 3. The last phase and the first are neighbours.

    Returns:
        (T,) bool. Two adjacent failures cannot be distinguished from a beat. If more than a quarter of the phases would
        be spikes there is no clear beat, and none is marked.

    >>> find_spikes([100.0, 90.0, 0.0, 50.0, 45.0, 60.0, 80.0, 95.0]).nonzero()[0].tolist()
    [2]
    """
    volumes = np.asarray(volumes_ml, dtype=float)
    before, after = np.roll(volumes, 1), np.roll(volumes, -1)
    middle = np.median([before, volumes, after], axis=0)
    share = max(_SPIKE_SHARE, _SPIKE_PACE / len(volumes))
    sticks_out = np.abs(volumes - middle) > share * np.ptp(middle)
    spikes = sticks_out | ((volumes == 0) & (before > 0) & (after > 0))
    return spikes if 4 * spikes.sum() <= len(volumes) else np.zeros_like(spikes)


def smooth_volumes(volumes_ml: Sequence[float], beat: Beat, *, spikes: np.ndarray) -> np.ndarray:
    """Smooth a volume curve by a periodic fit of up to `PHASE_HARMONICS`, spikes left out.

    Args:
        volumes_ml: volume at each phase, length T.
        beat: when the phases are.
        spikes: (T,) phases to leave out, see `find_spikes`.

    Returns:
        (T,) ml, at left-out phases too. With n phases kept there are at most (n - 1) / 2 harmonics: up to 7 phases the
        curve passes through every one of them.

    >>> volumes = [100.0, 75.0, 50.0, 50.0, 75.0, 100.0]
    >>> smooth_volumes(volumes, make_beat(6), spikes=find_spikes(volumes)).round(3).tolist()
    [100.0, 75.0, 50.0, 50.0, 75.0, 100.0]
    """
    weights = _fit(volumes_ml, beat, spikes, PHASE_HARMONICS)
    return np.round(_waves(beat.turns, len(weights) // 2) @ weights, 6)  # so that equal volumes stay equal


def peak_rates(volumes_ml: Sequence[float], beat: Beat, *, spikes: np.ndarray) -> Rates:
    """Peak ejection and peak filling rate: the steepest fall and rise of the fit of `RATE_HARMONICS`.

    The slope is the series' own derivative, searched over the whole beat except for time that was not scanned: a gap
    before the next beat of more than one and a half steps, where the fit is constrained to a straight line.

    Args:
        volumes_ml: volume at each phase, length T.
        beat: when the phases are.
        spikes: (T,) phases to leave out.

    Returns:
        Both `None` if the period is unknown or fewer than 9 phases are kept.

    >>> volumes = 100.0 + 50.0 * np.cos(2 * np.pi * np.arange(20) / 20)
    >>> rates = peak_rates(volumes, make_beat(20, heart_rate_bpm=60), spikes=np.zeros(20, bool))
    >>> round(rates.ejection_ml_per_s, 2), round(50 * 2 * np.pi, 2)
    (314.15, 314.16)
    """
    if beat.period_ms is None or (~spikes).sum() < 2 * RATE_HARMONICS + 1:
        return Rates()
    weights = _fit(volumes_ml, beat, spikes, RATE_HARMONICS)
    scanned = beat.turns[-1] if len(_find_unscanned(beat.turns)) else 1.0
    turns = np.linspace(0.0, scanned, 20 * len(beat.turns) + 3)
    slopes = _slopes(turns, RATE_HARMONICS) @ weights * 1000.0 / beat.period_ms
    return Rates(ejection_ml_per_s=float(max(-slopes.min(), 0.0)), filling_ml_per_s=float(max(slopes.max(), 0.0)))


def _fit(volumes_ml: Sequence[float], beat: Beat, spikes: np.ndarray, harmonics: int) -> np.ndarray:
    """Coefficients of the series: mean, cosines, sines."""
    turns, volumes = beat.turns[~spikes], np.asarray(volumes_ml, dtype=float)[~spikes]
    harmonics = min(harmonics, (len(turns) - 1) // 2)
    filler = _find_unscanned(turns)
    ends = np.interp(filler, [turns[-1], 1.0 + turns[0]], [volumes[-1], volumes[0]])
    waves = _waves(np.concatenate([turns, filler]), harmonics)
    return np.linalg.lstsq(waves, np.concatenate([volumes, ends]), rcond=None)[0]


def _find_unscanned(turns: np.ndarray) -> np.ndarray:
    """Times in the wait before the next beat, a step apart, where the series must be held; none after a usual wait."""
    step, wait = float(np.median(np.diff(turns))), 1.0 + turns[0] - turns[-1]
    if wait <= _GAP_STEPS * step:
        return np.empty(0)
    return np.linspace(turns[-1], 1.0 + turns[0], round(wait / step) + 1)[1:-1]


def _waves(turns: np.ndarray, harmonics: int) -> np.ndarray:
    angles = 2.0 * np.pi * np.outer(turns, np.arange(1, harmonics + 1))
    return np.hstack([np.ones((len(turns), 1)), np.cos(angles), np.sin(angles)])


def _slopes(turns: np.ndarray, harmonics: int) -> np.ndarray:
    """Derivatives of `_waves` with respect to the fraction of the beat."""
    speeds = 2.0 * np.pi * np.arange(1, harmonics + 1)
    angles = np.outer(turns, speeds)
    return np.hstack([np.zeros((len(turns), 1)), -speeds * np.sin(angles), speeds * np.cos(angles)])
