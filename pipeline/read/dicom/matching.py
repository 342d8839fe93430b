"""Slices whose phases do not pair off one by one: matched by fraction of the beat, or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.timing import Clock, Key

__all__ = ["drop_incomplete_slices", "match_by_fraction"]

_MAX_STEP = 1.6
"""Of the usual step: a longer one between two phases of a slice means that one in between is missing."""

_SAME_STEP = 0.03
"""Slices whose steps differ by less than this part have one temporal resolution: the shorter lacks phases at an end."""

_SAME_BEAT = 0.25
"""Beats of the slices of one study differ by less than this part."""


def match_by_fraction(columns: Sequence[dict[Key, Frame]], n_phases: int) -> list[list[Frame]] | None:
    """Give every slice as many phases, each the frame nearest in fraction of the beat.

    Scanners divide each breath-hold's beat anew, so that slices have 24, 25 or 26 phases. A slice with a hole among its
    times, or with the others' step and fewer phases, lacks frames instead.

    Args:
        columns: for each slice its frames by time in ms, rising.
        n_phases: how many phases each is to have.

    Returns:
        For each slice `n_phases` frames, some of them twice where a slice has fewer; `None` where frames are missing.
    """
    times = [np.array([key[0] for key in column]) for column in columns]
    if min(map(len, times)) < 3:
        return None
    steps = [float(np.median(np.diff(row))) for row in times]
    usual = [step for row, step in zip(times, steps, strict=True) if len(row) == n_phases]
    beats = np.array([row[-1] - row[0] + step for row, step in zip(times, steps, strict=True)])
    for row, step in zip(times, steps, strict=True):
        has_hole = np.diff(row).max() > _MAX_STEP * min(step, float(np.median(usual)))
        lacks_end = len(row) < n_phases and abs(step - float(np.median(usual))) <= _SAME_STEP * step
        if has_hole or lacks_end:
            return None
    if beats.max() > (1 + _SAME_BEAT) * beats.min():
        return None
    return [
        list(column.values()) if len(column) == n_phases else _nearest(list(column.values()), row, beat, n_phases)
        for column, row, beat in zip(columns, times, beats, strict=True)
    ]


def _nearest(frames: Sequence[Frame], times: np.ndarray, beat: float, n_phases: int) -> list[Frame]:
    fractions = (times - times[0]) / beat
    wanted = np.arange(n_phases) / n_phases
    away = np.abs(fractions[None, :] - wanted[:, None])
    return [frames[index] for index in np.minimum(away, 1 - away).argmin(axis=1)]


def drop_incomplete_slices(
    columns: Sequence[dict[Key, Frame]], clock: Clock
) -> tuple[list[dict[Key, Frame]], tuple[str, ...]]:
    """Leave out the phases that some slice lacks, where a count tells which; else the slices that lack any.

    Args:
        columns: for each slice its frames by time.
        clock: whose keys those are.

    Returns:
        The slices that are left, and a note on what is not.
    """
    counts = Counter(map(len, columns))
    if clock.counts:
        shared: set[Any] = set.intersection(*(set(column) for column in columns))
        every = set().union(*columns)
        if shared != every and 2 * len(shared) >= len(every):
            lost = ", ".join(f"{key[0]:g}" for key in sorted(every - shared))
            kept = [{key: frame for key, frame in column.items() if key in shared} for column in columns]
            return kept, (f"left out phase {lost} of all slices: it is missing in some",)
    if len(counts) == 1 or (clock.in_ms and match_by_fraction(columns, max(counts)) is not None):
        return list(columns), ()
    usual = max(counts, key=lambda count: (counts[count], count))
    whole = [column for column in columns if len(column) == usual]
    return whole, (f"left out {len(columns) - len(whole)} slice(s) with other than {usual} phases",)
