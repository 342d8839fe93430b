"""Which element orders the phases: trigger time, temporal position, or instance number.

Scanners write TriggerTime that is constant, missing, or wrapped at the cycle's end; such a clock is passed over, and
the reader says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

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


def choose_clock(slices: Sequence[Sequence[Frame]]) -> tuple[Clock, tuple[str, ...]]:
    """The first usable of trigger time, temporal position, InstanceNumber and SeriesNumber.

    A clock is usable where every frame has it and it tells the frames of a slice apart; the trigger time must also
    rise with InstanceNumber, but for one whose order has nothing to do with it.

    Args:
        slices: the frames of each slice; copies of one frame are already taken out.

    Returns:
        The clock, and a note where the trigger time was passed over. Where no clock moves, one that stands still.
    """
    if all(len(frames) == 1 for frames in slices):
        return _clock_of_one_phase(slices), ()
    notes: list[str] = []
    for clock in _CLOCKS:
        fault = _fault(slices, clock)
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
    distinct = sum(len(set(row)) for row in keys)
    if 2 * distinct <= total:
        return "constant" if distinct == len(keys) else "the same for several phases"
    if clock.in_ms and any(_is_wrapped(frames) for frames in slices):
        return "wrapped: it falls back to the cycle's start amid a slice"
    return None


def _is_wrapped(frames: Sequence[Frame]) -> bool:
    first_of: dict[float, Frame] = {}
    for frame in sorted(frames, key=lambda frame: _instance(frame) or ()):
        first_of.setdefault(frame.trigger_ms or 0.0, frame)
    order = {_instance(frame) for frame in first_of.values()}
    if None in order or len(order) < len(first_of) or len(first_of) < 4:
        return False
    falls = sum(later < earlier for earlier, later in pairwise(first_of))
    return 1 <= falls <= len(first_of) // 4
