"""How long one heart beat lasts, and how long it can last: what clocks of every format are held against."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.core.errors import ConfigError

__all__ = [
    "MAX_BEAT_MS",
    "MIN_BEAT_MS",
    "beat_of_rate",
    "beat_of_times",
    "is_credible_beat",
    "is_credible_clock",
    "spread_over_beat",
]

MIN_BEAT_MS = 250.0
"""240 beats a minute. Infants' sinus rhythm stays below 220 a minute (Pediatric Advanced Life Support, Circulation
122:S876, 2010), and adults' below 220 less their age; the rest is for the last phase's length, of which no clock tells.
"""

MAX_BEAT_MS = 2000.0
"""30 beats a minute, the slowest rhythm that is taken for normal in athletes (Br J Sports Med 51:704, 2017)."""


FEW_PHASES = 8
"""Up to so many phases may be an excerpt, such as end-diastole and a few behind it, rather than a beat. More follow a
whole one (and only of those are rates of ejection and filling told)."""

MIN_STEP_MS = 10.0
"""Phases of an excerpt lie no closer: the shortest beat in 25. A gradient echo's repetition time is a third."""


def is_credible_beat(beat_ms: float) -> bool:
    """Whether a heart can beat so: from `MIN_BEAT_MS` to `MAX_BEAT_MS`, both included.

    >>> is_credible_beat(800.0), is_credible_beat(67.0), is_credible_beat(float("nan"))
    (True, False, False)
    """
    return bool(MIN_BEAT_MS <= beat_ms <= MAX_BEAT_MS)


def is_credible_clock(times_ms: Sequence[float]) -> bool:
    """Whether a cine's phases can have been at these times: over a beat, or over a part of one where they are few.

    Args:
        times_ms: time of each phase in ms, at least two, rising.

    >>> is_credible_clock([0.0, 40.0, 80.0, 120.0]), is_credible_clock([0.0, 3.0, 6.0, 9.0])
    (True, False)
    """
    beat_ms = beat_of_times(times_ms)
    if len(times_ms) > FEW_PHASES:
        return is_credible_beat(beat_ms)
    return beat_ms <= MAX_BEAT_MS and float(np.median(np.diff(times_ms))) >= MIN_STEP_MS


def beat_of_times(times_ms: Sequence[float]) -> float:
    """Length of the beat that a cine's times give: from the first phase to the last, and one median step for that one.

    Args:
        times_ms: time of each phase in ms, at least two, rising.

    >>> beat_of_times([10.0, 210.0, 410.0, 610.0])
    800.0
    """
    times = np.asarray(times_ms, dtype=float)
    return float(times[-1] - times[0] + np.median(np.diff(times)))


def beat_of_rate(heart_rate_bpm: float) -> float:
    """Length in ms of a beat at a heart rate that somebody gives.

    Raises:
        ConfigError: no heart beats so, see `is_credible_beat`.

    >>> beat_of_rate(75)
    800.0
    """
    beat_ms = 60_000.0 / heart_rate_bpm if heart_rate_bpm > 0 else math.inf
    if not is_credible_beat(beat_ms):
        low, high = 60_000.0 / MAX_BEAT_MS, 60_000.0 / MIN_BEAT_MS
        raise ConfigError(f"a heart rate must be {low:g} to {high:g} beats a minute, got {heart_rate_bpm:g}")
    return beat_ms


def spread_over_beat(n_phases: int, *, beat_ms: float) -> tuple[float, ...]:
    """Times in ms of phases that share a beat evenly, the first at 0.

    >>> spread_over_beat(4, beat_ms=800.0)
    (0.0, 200.0, 400.0, 600.0)
    """
    return tuple(round(phase * beat_ms / n_phases, 6) for phase in range(n_phases))
