"""Which element orders the phases: trigger time, temporal position, or instance number.

Scanners write a TriggerTime that is constant or missing: such a clock is passed over, and the reader says so. One that
starts again amid a slice, at the next R wave, is counted on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from pipeline.core.beat import MAX_BEAT_MS
from pipeline.read.dicom.frames import Frame

__all__ = ["Clock", "choose_clock"]

Key = tuple[float, ...]


@dataclass(frozen=True)
class Clock:
    """Orders the frames of a slice.

    Attributes:
        name: element it reads.
        key: a frame's place in time, to be sorted; `None` where the frame lacks the element.
        counts: whether the key is a whole number that counts phases, alike in every slice.
        in_ms: whether the key is a time in ms after the R wave.
    """

    name: str
    key: Callable[[Frame], Key | None]
    counts: bool = False
    in_ms: bool = False


def _trigger(frame: Frame) -> Key | None:
    return None if frame.trigger_ms is None else (frame.trigger_ms,)


def _temporal(frame: Frame) -> Key | None:
    return None if frame.temporal_index is None else (frame.temporal_index,)


def _instance(frame: Frame) -> Key | None:
    return None if frame.instance_number is None else (frame.instance_number, frame.frame_number)


def _series(frame: Frame) -> Key | None:
    return None if frame.series_number is None else (frame.series_number,)


def _none(frame: Frame) -> Key | None:  # noqa: ARG001 - a clock that stands still takes every frame
    return (0.0,)


_TRIGGER = Clock("the trigger time", _trigger, in_ms=True)
_CLOCKS = (
    _TRIGGER,
    Clock("the temporal position", _temporal, counts=True),
    Clock("InstanceNumber", _instance),
    Clock("SeriesNumber", _series),
)
_STANDING = Clock("nothing: all frames of a slice count as repeats", _none)
_FEW = 0.25
"""Share of the times up to which those beyond a beat are errors. Where more are, it is no cine, as in perfusion."""
_EVEN = 0.6
"""Times of phases are even where each step is at least this part of the median one; frames of two beats lie closer."""


def choose_clock(slices: Sequence[Sequence[Frame]]) -> tuple[Clock, tuple[str, ...]]:
    """The first usable of trigger time, temporal position, InstanceNumber and SeriesNumber.

    A clock is usable where every frame has it and it tells the frames of a slice apart. A trigger time that falls back
    amid a slice, in order of InstanceNumber, is unwrapped: what comes after the fall is of the next beat. Where slices
    fall back at different phases, and their times are even all the same, each is a beat recorded from its middle, and
    the times stand as they are.

    Args:
        slices: the frames of each slice; copies of one frame are already taken out.

    Returns:
        The clock, and a note where the trigger time was passed over or unwrapped. Where no clock moves, one that stands
        still.
    """
    if all(len(frames) == 1 for frames in slices):
        return _clock_of_one_phase(slices), ()
    notes: list[str] = []
    for clock in _CLOCKS:
        fault = _fault(slices, clock)
        if fault is None and clock is _TRIGGER:
            return _unwrap(slices)
        if fault is None:
            return clock, tuple(f"{note}; phases are ordered by {clock.name}" for note in notes)
        if clock is _TRIGGER:
            notes.append(f"the trigger time is not usable: {fault}")
    return _STANDING, ()


def _clock_of_one_phase(slices: Sequence[Sequence[Frame]]) -> Clock:
    return _STANDING if any(frame.trigger_ms is None for frames in slices for frame in frames) else _TRIGGER


def _fault(slices: Sequence[Sequence[Frame]], clock: Clock) -> str | None:
    keys = [[clock.key(frame) for frame in frames] for frames in slices]
    total = sum(map(len, keys))
    missing = sum(key is None for row in keys for key in row)
    if missing:
        return f"{'missing' if missing == total else f'missing in {missing} of {total} frames'}"
    if clock is _TRIGGER and (astray := _astray_ms([key[0] for row in keys for key in row if key])):
        return f"{', '.join(f'{ms:g}' for ms in astray[:3])} ms in {len(astray)} of {total} frames"
    distinct = sum(len(set(row)) for row in keys)
    if 2 * distinct <= total:
        return "constant" if distinct == len(keys) else "the same for several phases"
    return None


def _astray_ms(times: Sequence[float]) -> list[float]:
    """A few times that are of no beat in which all others lie."""
    middle = median(times)
    astray = [ms for ms in times if abs(ms - middle) > MAX_BEAT_MS]
    return astray if len(astray) <= _FEW * len(times) else []


def _unwrap(slices: Sequence[Sequence[Frame]]) -> tuple[Clock, tuple[str, ...]]:
    """The trigger time, counted on after it falls back, where it does."""
    orders = [_in_order(frames) for frames in slices]
    falls = [tuple(_falls(order)) for order in orders]
    if not any(falls) or (len(set(falls)) > 1 and all(_is_even(frames) for frames in slices)):
        return _TRIGGER, ()
    times = {frame: ms for order in orders for frame, ms in _count_on(order).items()}
    unwrapped = Clock("the trigger time", lambda frame: (times.get(frame, frame.trigger_ms or 0.0),), in_ms=True)
    note = "the trigger time falls back amid a slice: what follows is counted on, as of the next beat"
    return unwrapped, (note,)


def _in_order(frames: Sequence[Frame]) -> list[Frame]:
    """The frames in order of InstanceNumber, of those at one time the first; none where no order is told."""
    first_of: dict[float, Frame] = {}
    for frame in sorted(frames, key=lambda frame: _instance(frame) or ()):
        first_of.setdefault(frame.trigger_ms or 0.0, frame)
    numbers = {_instance(frame) for frame in first_of.values()}
    is_told = None not in numbers and len(numbers) == len(first_of) >= 4
    return list(first_of.values()) if is_told else []


def _falls(order: Sequence[Frame]) -> list[int]:
    """Where the trigger time falls back, if it does so as a clock that wraps: at most once in four frames."""
    falls = [i + 1 for i, (a, b) in enumerate(pairwise(order)) if (b.trigger_ms or 0.0) < (a.trigger_ms or 0.0)]
    return falls if len(falls) <= len(order) // 4 else []


def _is_even(frames: Sequence[Frame]) -> bool:
    times = sorted({frame.trigger_ms or 0.0 for frame in frames})
    steps = [b - a for a, b in pairwise(times)]
    return not steps or min(steps) >= _EVEN * median(steps)


def _count_on(order: Sequence[Frame]) -> dict[Frame, float]:
    """Times that rise: each fall adds a beat of the header's rate, or what makes the step across it the usual one."""
    told = [frame.trigger_ms or 0.0 for frame in order]
    usual = median([b - a for a, b in pairwise(told) if b > a] or [0.0])
    falls, times, offset = set(_falls(order)), {}, 0.0
    for index, (frame, ms) in enumerate(zip(order, told, strict=True)):
        if index in falls:
            step, rate = told[index - 1] - ms, frame.heart_rate_bpm
            beat_ms = 60000.0 / rate if rate else 0.0
            is_likely = step + 0.5 * usual <= beat_ms <= step + 2.0 * usual
            offset += beat_ms if is_likely else step + usual
        times[frame] = ms + offset
    return times
