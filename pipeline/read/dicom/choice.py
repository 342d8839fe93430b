"""Which stack of a study is the short axis, and why the others are not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.core.errors import LatticeError, visible
from pipeline.core.images import Cine
from pipeline.read.dicom.evidence import CLOSE, Candidate, weigh
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.repeats import Prefer, order_in_time
from pipeline.read.dicom.stacks import MIN_SLICES, Stack, are_alike, group_stacks

__all__ = ["Choice", "Look", "choose_stack", "rank_stacks"]

_LOGGER = logging.getLogger(__name__)

Look = Callable[[Cine], float]
"""How much of a heart in short axis is seen in a cine, above 0; called for stacks that headers do not tell apart."""

_CLEARLY = 1.5
"""How many times as much of a heart must be seen in a stack as in the next best to take it."""


@dataclass(frozen=True)
class Choice:
    """The stack to read.

    Attributes:
        stack: its frames.
        again: the same stack acquired another time, complete as well; to be compared.
        notes: a sentence for each stack left out.
    """

    stack: Stack
    again: tuple[Stack, ...]
    notes: tuple[str, ...]


def rank_stacks(frames: Sequence[Frame]) -> list[Candidate]:
    """The stacks of a study with what speaks for and against each, the likeliest short axis first."""
    stacks = group_stacks(frames)
    candidates = [weigh(stack, [other for other in stacks if other is not stack]) for stack in stacks]
    return sorted(candidates, key=lambda one: (one.can_be_short_axis, one.points), reverse=True)


def choose_stack(
    frames: Sequence[Frame],
    *,
    series_uid: str | None = None,
    prefer: Prefer = "later",
    look: Callable[[Stack], float] | None = None,
) -> Choice:
    """Choose the short-axis stack of a study.

    Every stack is weighed, see `evidence`. Of stacks that are one acquired several times the later is taken. Others
    that are as likely are told apart by a look at their pictures, if there is one, else refused.

    Args:
        frames: all frames of one study.
        series_uid: take the stack that this series belongs to instead.
        prefer: "first" takes the earlier of several acquisitions.
        look: how much of a heart is seen in a stack, above 0, for where headers do not tell.

    Raises:
        LatticeError: there is no frame, no such series, no single best stack, or the stack's pictures differ in size.
    """
    candidates = rank_stacks(frames)
    if not candidates:
        raise LatticeError("a study must hold at least one MR image, got none")
    _log(candidates)
    if series_uid is None:
        chosen, told = _best(candidates, prefer, look)
    else:
        chosen, told = _with_series(candidates, frames, series_uid), ()
    taken = set(map(id, chosen.stack.frames))
    rests = [
        (Stack(rest), candidate)
        for candidate in candidates
        if (rest := tuple(frame for frame in candidate.stack.frames if id(frame) not in taken))
    ]
    _refuse_mixed_sizes(chosen.stack, [stack for stack, _ in rests], by_hand=series_uid is not None)
    again = tuple(stack for stack, _ in rests if series_uid is None and _is_again(stack, chosen.stack))
    notes = tuple(
        f"left out {describe_stack(stack)}: {_tell_why(candidate, chosen)}"
        for stack, candidate in rests
        if not any(stack is one for one in again)
    )
    return Choice(chosen.stack, again, (*told, *notes))


def _best(
    candidates: Sequence[Candidate], prefer: Prefer, look: Callable[[Stack], float] | None
) -> tuple[Candidate, tuple[str, ...]]:
    """The likeliest short axis, of several acquisitions of it the preferred one; and a note where a look decided."""
    best, notes = candidates[0], tuple[str, ...]()
    if not best.can_be_short_axis:
        raise LatticeError(_tell_none(candidates), best.stack.frames[0].path.parent)
    rivals = [one for one in candidates if one.can_be_short_axis and best.points - one.points < CLOSE]
    others = [one for one in rivals if one is not best and not _shows_the_same(one.stack, best.stack)]
    if others:
        best = _look_at([best, *others], look)
        notes = (
            f"headers do not tell {1 + len(others)} stacks apart: the one in which the network sees most of a heart is "
            "read",
        )
    same = [one for one in rivals if one is best or _is_again(one.stack, best.stack)]
    pick = max if prefer == "later" else min
    n_phases = max(one.stack.n_phases for one in same)
    complete = [one for one in same if one.stack.n_phases == n_phases]
    return pick(complete, key=lambda one: (order_in_time(one.stack.frames), -candidates.index(one))), notes


def _look_at(rivals: Sequence[Candidate], look: Callable[[Stack], float] | None) -> Candidate:
    """The one in which clearly most of a heart is seen; refused where nobody looks, or sees as much in two."""
    seen = [1.0 if look is None else look(one.stack) for one in rivals]
    first, second = sorted(seen, reverse=True)[:2]
    if first < _CLEARLY * second:
        raise LatticeError(
            f"one stack must be the short axis, got {len(rivals)} that fit alike: "
            f"{_list([one.stack for one in rivals])}; name the series to read",
            rivals[0].stack.frames[0].path.parent,
        )
    return rivals[seen.index(first)]


def _is_again(stack: Stack, other: Stack) -> bool:
    """Whether a stack is another acquisition of the same slices, not the same one otherwise corrected."""
    return stack is not other and stack.frames[0].kind == other.frames[0].kind and _shows_the_same(stack, other)


def _shows_the_same(stack: Stack, other: Stack) -> bool:
    """Whether moving stacks show the same slices, as many of them, by the same technique, whatever their correction.

    Static ones may as well be two phases of which no header tells the time.
    """
    return (
        stack.n_phases == other.n_phases > 1
        and stack.n_slices == other.n_slices == stack.shared_positions(other)
        and are_alike(stack, other, any_correction=True)
    )


def _with_series(candidates: Sequence[Candidate], frames: Sequence[Frame], series_uid: str) -> Candidate:
    holding = [one for one in candidates if series_uid in one.stack.series]
    if not holding:
        known = sorted({frame.series_uid for frame in frames})
        raise LatticeError(f"the series must be one of {', '.join(map(visible, known)) or 'none'}, got {series_uid}")
    best = holding[0]
    alone = Stack(tuple(frame for frame in best.stack.frames if frame.series_uid == series_uid))
    is_whole = alone.n_slices >= MIN_SLICES and alone.n_phases > 1
    return Candidate(alone, best.evidence) if is_whole else best


def _refuse_mixed_sizes(chosen: Stack, left_out: Sequence[Stack], *, by_hand: bool) -> None:
    """Refuse where slices of the stack have another matrix or pixel size: they would be missing without a word."""
    first = chosen.frames[0]
    for stack in left_out:
        other = stack.frames[0]
        if other.has_form_of(first) or other.kind != first.kind or other.tilt_deg(chosen.orientation) > 1.0:
            continue
        shared_series = set(stack.series) & set(chosen.series)
        is_alike = stack.n_phases == chosen.n_phases > 1 and not stack.shared_positions(chosen)
        if shared_series or (is_alike and not by_hand):
            raise LatticeError(
                f"pictures of one stack must have one size, got {first.rows} x {first.columns} at "
                f"{first.pixel_spacing} mm and {other.rows} x {other.columns} at {other.pixel_spacing} mm",
                other.path,
            )


def describe_stack(stack: Stack) -> str:
    """Name a stack in a sentence: its slices, phases and series."""
    names = ", ".join(map(visible, stack.series[:3])) + (
        f" and {len(stack.series) - 3} more" if len(stack.series) > 3 else ""
    )
    return f"{stack.n_slices} slice(s) x {stack.n_phases} phase(s), {len(stack.frames)} frames, series {names}"


def _list(stacks: Sequence[Stack]) -> str:
    return "; ".join(map(describe_stack, stacks))


def _tell_why(candidate: Candidate, chosen: Candidate) -> str:
    reasons = [reason for reason in candidate.doubts if reason not in chosen.doubts]
    return (
        "; ".join(reasons[:2]) or f"less likely the short axis ({candidate.points:.0f} points of {chosen.points:.0f})"
    )


def _tell_none(candidates: Sequence[Candidate]) -> str:
    best = candidates[0]
    if best.stack.frames[0].kind.is_mosaic:
        return (
            "pictures must show one slice each, got Siemens mosaics, which tile several slices in one picture; "
            "export the series without mosaic"
        )
    if best.stack.n_slices < MIN_SLICES:
        return (
            f"a short-axis stack must have at least {MIN_SLICES} parallel slices, got only "
            f"{_list([one.stack for one in candidates])}; name one of these series to read it"
        )
    return f"a short-axis stack must be magnitude pictures, got {best.doubts[0]}; name the series to read it"


def _log(candidates: Sequence[Candidate]) -> None:
    for rank, one in enumerate(candidates):
        told = ", ".join(f"{sign.reason} ({sign.points:+.0f})" for sign in one.evidence)
        level = logging.DEBUG if rank else logging.INFO  # the likeliest; `cmr inspect` shows them all
        _LOGGER.log(level, "%s: %.0f points: %s", describe_stack(one.stack), one.points, told)
