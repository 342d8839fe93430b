"""Slices and stacks acquired more than once: which acquisition is read.

A breath-hold that failed is repeated; archives send studies twice. The later complete acquisition is read unless the
first is preferred; identical copies are dropped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Literal

from pipeline.read.dicom.frames import Frame

__all__ = ["Acquisition", "Prefer", "choose_acquisitions", "order_in_time", "split_acquisitions"]

Prefer = Literal["later", "first"]

Acquisition = tuple[Frame, ...]
"""The frames of one slice from one breath-hold."""

Key = Callable[[Frame], Hashable]

_SPLITTERS: tuple[Key, ...] = (
    lambda frame: frame.acquisition_number,
    lambda frame: frame.acquired_at,
)


def split_acquisitions(frames: Sequence[Frame], *, usual: int, by_series: bool) -> list[Acquisition]:
    """Tell the acquisitions of one slice apart.

    Args:
        frames: of the slice.
        usual: how many frames most slices have.
        by_series: whether a series holds all phases of its slices, so that two series are two acquisitions.

    Returns:
        The acquisitions, earliest first; one that cannot be told from another stays with it.
    """
    groups = _group(frames, lambda frame: frame.series_uid) if by_series else [tuple(frames)]
    found = [part for group in groups for part in _split_within(group, usual=usual)]
    return sorted(found, key=order_in_time)


def _split_within(frames: Acquisition, *, usual: int) -> list[Acquisition]:
    """Split what one series holds of a slice where it holds whole sets of phases, each told by one element."""
    moments = Counter((frame.trigger_ms, frame.temporal_index) for frame in frames)
    if len(frames) <= usual and (max(moments.values()) == 1 or set(moments) == {(None, None)}):
        return [frames]
    for key in _SPLITTERS:
        parts = _group(frames, key)
        if len(parts) > 1 and len(parts[0]) > 1 and len({len(part) for part in parts}) == 1:
            return parts
    return [frames]


def _group(frames: Sequence[Frame], key: Key) -> list[Acquisition]:
    groups: dict[Hashable, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return [tuple(group) for group in groups.values()]


def order_in_time(frames: Sequence[Frame]) -> tuple[str, int, int, int]:
    """Key that sorts acquisitions as they were made: by time of acquisition, series, acquisition, instance number."""
    return min(
        (frame.acquired_at, frame.series_number or 0, frame.acquisition_number or 0, frame.instance_number or 0)
        for frame in frames
    )


def choose_acquisitions(
    slices: Sequence[Sequence[Acquisition]], *, prefer: Prefer
) -> tuple[list[Acquisition], list[tuple[Acquisition, Acquisition]]]:
    """Choose one acquisition of each slice: the later complete one, or the first complete one.

    Args:
        slices: for each slice its acquisitions, earliest first.
        prefer: "later" or "first".

    Returns:
        For each slice the acquisition to read; and (read, passed over) for each that is not.
    """
    usual = Counter(max(map(len, acquisitions)) for acquisitions in slices).most_common(1)[0][0]
    chosen, passed_over = [], []
    for acquisitions in slices:
        complete = [one for one in acquisitions if len(one) >= usual] or [max(acquisitions, key=len)]
        read = complete[-1] if prefer == "later" else complete[0]
        chosen.append(read)
        passed_over += [(read, other) for other in acquisitions if other is not read]
    return chosen, passed_over
