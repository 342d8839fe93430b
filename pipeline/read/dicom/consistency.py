"""Whether the frames of a cine agree with one another, and with what the header says beside them.

One file of hundreds that was damaged, or written by other software, shows by being unlike the others; a header that
was changed throughout, by contradicting itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from statistics import median

import numpy as np

from pipeline.core.beat import FEW_PHASES, beat_of_times
from pipeline.read.dicom.files import name_files
from pipeline.read.dicom.frames import Frame

__all__ = ["compare_frames", "doubt_beats", "doubt_negatives", "doubt_rate", "doubt_signs", "doubt_steps"]

_STEPS = (0.4, 1.6)
"""Steps from phase to phase over the usual one. Scanners divide the beat evenly; beyond, a time is wrong, or a phase is
missing."""

_BEATS = (0.5, 1.6)
"""The beat that times give over the one of the heart rate. Prospective gating covers four fifths of a beat, and a beat
differs from the mean of a scan by far less than this."""

_SPANS = (0.5, 2.0)
"""The time from first to last phase of a slice over the usual one: no heart goes twice as fast a breath later."""

_NEGATIVE = 0.05
"""Share of negative values in a magnitude. There are none; interpolation makes a few."""

_OF_PIXELS: tuple[tuple[str, Callable[[Frame], Hashable]], ...] = (
    ("rescale slope and intercept", lambda frame: (frame.rescale_slope, frame.rescale_intercept)),
    ("form of pixel data", lambda frame: frame.native and (frame.native.dtype, frame.native.spare_bits)),
)


def compare_frames(frames: Sequence[Sequence[Frame]]) -> tuple[str, ...]:
    """Sentences on what pixels become numbers by: where it is not the same in all frames, or contradicts itself.

    Args:
        frames: `frames[t][z]`.
    """
    notes = []
    for name, value in _OF_PIXELS:
        counts = Counter(value(frame) for row in frames for frame in row)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            others = sorted({frame.path for row in frames for frame in row if value(frame) != usual})
            notes.append(f"the {name} is another in {name_files(others)} than in most: each is read as it says")
    in_doubt = sorted({frame.path for row in frames for frame in row if frame.native and frame.native.in_doubt})
    if in_doubt:
        notes.append(
            f"HighBit and BitsStored contradict each other in {name_files(in_doubt)}: all bits up to both are read"
        )
    return tuple(notes)


def doubt_steps(columns: Sequence[Sequence[float]], *, clock: str, positions: Sequence[float]) -> tuple[str, ...]:
    """A sentence where phases do not follow one another evenly: in all slices one is missing, in some a time is wrong.

    Args:
        columns: for each slice what orders its phases, rising.
        clock: what that is, in words.
        positions: of the slices, in mm.
    """
    ratios = [_uneven(column) for column in columns]
    uneven = [z for z, ratio in enumerate(ratios) if ratio and not _STEPS[0] <= min(ratio) <= max(ratio) <= _STEPS[1]]
    if not uneven:
        return ()
    worst = [ratio for z in uneven for ratio in ratios[z]]
    steps = f"steps of {min(worst):.2g} to {max(worst):.2g} times the usual one"
    if len(uneven) == len(columns):
        return (f"{clock} goes in {steps} in every slice: a phase may be missing or out of its place",)
    told = _places(positions, uneven)
    return (f"{clock} goes in {steps} in the slice at {told} mm: its phases may be out of order",)


def doubt_signs(columns: Sequence[Sequence[float]], *, positions: Sequence[float]) -> tuple[str, ...]:
    """A sentence where phases lie before the R wave: the signs of their times are lost, so they may run backwards.

    Arguments as `doubt_steps`.
    """
    before = [z for z, column in enumerate(columns) if median(column) < 0]
    if not before:
        return ()
    times = [ms for z in before for ms in columns[z]]
    where = "" if len(before) == len(columns) else f" in the slice at {_places(positions, before)} mm"
    return (
        f"the trigger times{where} go from {min(times):g} to {max(times):g} ms, most before the R wave: the phases may "
        "run backwards",
    )


def doubt_beats(columns: Sequence[Sequence[float]], *, positions: Sequence[float]) -> tuple[str, ...]:
    """A sentence where the phases of some slices cover another time than those of most; arguments as `doubt_steps`."""
    spans = [column[-1] - column[0] for column in columns]
    usual = median(spans)
    others = [z for z, span in enumerate(spans) if usual > 0 and not _SPANS[0] <= span / usual <= _SPANS[1]]
    if not others:
        return ()
    told = ", ".join(f"{spans[z]:.0f}" for z in others[:3])
    return (
        f"the phases of the slice at {_places(positions, others)} mm cover {told} ms, those of most {usual:.0f} ms: "
        "the mean times may be wrong",
    )


def _places(positions: Sequence[float], chosen: Sequence[int]) -> str:
    return ", ".join(f"{positions[z]:.1f}" for z in chosen[:3]) + (" ..." if len(chosen) > 3 else "")


def _uneven(column: Sequence[float]) -> list[float]:
    """Steps over the usual one; none where there are too few to tell."""
    steps = np.diff(column)
    usual = median(steps) if len(steps) > 1 else 0.0
    return (steps / usual).tolist() if usual > 0 else []


def doubt_rate(times_ms: Sequence[float] | None, heart_rate_bpm: float | None) -> tuple[str, ...]:
    """A sentence where a whole beat's times and the heart rate contradict each other."""
    if times_ms is None or heart_rate_bpm is None or len(times_ms) <= FEW_PHASES:
        return ()
    beat_ms, stated_ms = beat_of_times(times_ms), 60_000.0 / heart_rate_bpm
    if _BEATS[0] * stated_ms <= beat_ms <= _BEATS[1] * stated_ms:
        return ()
    return (
        f"the times of the phases give a beat of {beat_ms:.0f} ms, the heart rate of {heart_rate_bpm:.0f} a minute "
        f"one of {stated_ms:.0f} ms: one of them is wrong",
    )


def doubt_negatives(array: np.ndarray) -> tuple[str, ...]:
    """A sentence where many values of a magnitude are negative: PixelRepresentation or the intercept is wrong."""
    share = float(np.mean(array < 0)) if array.dtype.kind != "u" else 0.0
    return (f"{share:.0%} of the values are negative, which magnitudes are not",) if share > _NEGATIVE else ()
