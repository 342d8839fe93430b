"""When the phases of a cine were: what headers state, held against how hearts beat, or a heart rate that is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.core.beat import MAX_BEAT_MS, MIN_BEAT_MS, beat_of_rate, is_credible_clock, spread_over_beat
from pipeline.core.images import Cine

__all__ = ["UNITS_MS", "credible_times", "with_heart_rate"]

UNITS_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001}
"""Milliseconds of each unit of time."""

_FEW_FRAMES = 4
"""So many phases with a stated ED and ES are frames of their own. More are a cine."""
_FILLER = 1.0  # what software writes as the step that knows none


def credible_times(times: Sequence[float], *, unit: str | None) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Times that a header states, if a heart can beat so.

    Milliseconds called seconds, or the reverse, are told by the beat, for no two units give beats that are both
    credible; so is a unit that is not stated. A step of exactly 1 without a unit is no statement.

    Args:
        times: time of each phase, in the header's unit.
        unit: one of `UNITS_MS`; `None` where the header states none.

    Returns:
        Times in ms, or `None` where they cannot be believed or there is one phase; and a sentence for what is not as
        stated.

    >>> credible_times([0.0, 400.0], unit="s")
    ((0.0, 400.0), ('the header has a time step of 400 s; by the beat that it gives, it is 400 ms',))
    """
    if len(times) < 2:
        return None, ()
    steps = np.diff(np.asarray(times, dtype=float))
    step = float(np.median(steps))
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        return None, (_unknown(f"the header's time step is {step:g}"),)
    if unit is None and step == _FILLER:
        return None, (_unknown("the header states no unit of time"),)
    for name in ([] if unit is None else [unit]) + [name for name in UNITS_MS if name != unit]:
        times_ms = tuple(round(float(time) * UNITS_MS[name], 6) for time in times)
        if is_credible_clock(times_ms):
            said = f"the header has a time step of {step:g} {unit or 'without a unit'}"
            read = f"it is {step * UNITS_MS[name]:g} ms"
            return times_ms, () if name == unit else (f"{said}; by the beat that it gives, {read}",)
    beat_ms = f"a step of {step:g} {unit or 'without a unit'} in {len(times)} phases gives no heart beat"
    return None, (_unknown(f"{beat_ms} ({MIN_BEAT_MS:g} to {MAX_BEAT_MS:g} ms)"),)


def with_heart_rate(cine: Cine, heart_rate_bpm: float | None) -> Cine:
    """Give a cine the beat of a heart rate where it has no credible clock.

    Where it has one its times stay, and the rate stands in for one that the header does not state. Phases that are ED
    and ES alone get no times: nobody knows when they were.

    Args:
        cine: as it was read.
        heart_rate_bpm: beats a minute, as the user gives them; `None` changes nothing.

    Returns:
        The cine with times, the rate in its facts, and a note of what the rate was used for.

    Raises:
        ConfigError: a rate that no heart has.
    """
    if heart_rate_bpm is None:
        return cine
    beat_ms, given = beat_of_rate(heart_rate_bpm), f"the heart rate given ({heart_rate_bpm:g} a minute)"
    known = cine.facts.heart_rate_bpm
    has_clock = cine.times_ms is not None and is_credible_clock(cine.times_ms)
    if cine.n_phases > 1 and not has_clock and not _is_of_single_frames(cine):
        note = f"times of the phases are spread evenly over a beat of {beat_ms:g} ms, of {given}"
        times_ms: tuple[float, ...] | None = spread_over_beat(cine.n_phases, beat_ms=beat_ms)
    elif known is None:
        times_ms, note = cine.times_ms, f"the heart rate is not the header's, which states none, but {given}"
    else:
        return replace(
            cine, notes=(*cine.notes, f"{given} is not used: the header states times and {known:g} a minute")
        )
    facts = replace(cine.facts, heart_rate_bpm=float(heart_rate_bpm))
    return replace(cine, times_ms=times_ms, facts=facts, notes=(*cine.notes, note))


def _is_of_single_frames(cine: Cine) -> bool:
    """Whether the phases are picked from a beat, as ED and ES are, and not spread over it."""
    return cine.n_phases == 2 or (cine.facts.ed_phase is not None and cine.n_phases <= _FEW_FRAMES)


def _unknown(reason: str) -> str:
    return f"times of the phases are unknown: {reason}; a heart rate given (`--heart-rate`) stands in for them"
