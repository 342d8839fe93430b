"""Which stack of a study is the short axis, and why the others are not."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.core.errors import LatticeError
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.stacks import MIN_SLICES, ORIENTATION_TOLERANCE, Stack, group_stacks

__all__ = ["choose_stack"]

_LOGGER = logging.getLogger(__name__)


def choose_stack(frames: Sequence[Frame], *, series_uid: str | None = None) -> tuple[Stack, tuple[str, ...]]:
    """Choose the short-axis stack of a study by geometry and count.

    In this order: at least `MIN_SLICES` parallel slices (localisers and long-axis views have one to a few, in mixed
    orientations), several phases, a plane off the body's axes, and the most slices x phases. A tie is refused.

    Args:
        frames: all frames of one study.
        series_uid: take the stack that this series belongs to instead.

    Returns:
        The stack, and a sentence for each stack left out.

    Raises:
        LatticeError: there is no frame, no such series, no single best stack, or the stack's pictures differ in size.
    """
    stacks = group_stacks(frames)
    chosen = _best(stacks) if series_uid is None else _with_series(stacks, frames, series_uid)
    taken = set(chosen.frames)
    rests = [tuple(frame for frame in stack.frames if frame not in taken) for stack in stacks]
    left_out = [Stack(rest) for rest in rests if rest]
    _refuse_mixed_sizes(chosen, left_out, by_hand=series_uid is not None)
    reason = "the most parallel slices x phases" if series_uid is None else "named by its series"
    _LOGGER.info("took the stack of %s: %s", _told(chosen), reason)
    notes = tuple(f"left out {_told(stack)}: {_why(stack, chosen)}" for stack in left_out)
    for note in notes:
        _LOGGER.info(note)
    return chosen, notes


def _rank(stack: Stack) -> tuple[bool, bool, bool, int]:
    return stack.n_slices >= MIN_SLICES, stack.n_phases > 1, stack.is_oblique, stack.n_slices * stack.n_phases


def _best(stacks: Sequence[Stack]) -> Stack:
    ranked = sorted(stacks, key=_rank, reverse=True)
    if not ranked:
        raise LatticeError("a study must hold at least one MR image, got none")
    tied = [stack for stack in ranked if _rank(stack) == _rank(ranked[0])]
    if len(ranked) > 1 and ranked[0].n_slices < MIN_SLICES:
        raise LatticeError(
            f"a short-axis stack must have at least {MIN_SLICES} parallel slices, got only {_listed(ranked)}; "
            "name one of these series to read it",
            ranked[0].frames[0].path.parent,
        )
    if len(tied) > 1:
        raise LatticeError(
            f"one stack must be the short axis, got {len(tied)} that fit alike: {_listed(tied)}; "
            "name the series to read",
            ranked[0].frames[0].path.parent,
        )
    return ranked[0]


def _with_series(stacks: Sequence[Stack], frames: Sequence[Frame], series_uid: str) -> Stack:
    holding = [stack for stack in stacks if series_uid in stack.series]
    if not holding:
        known = sorted({frame.series_uid for frame in frames})
        raise LatticeError(f"the series must be one of {', '.join(known) or 'none'}, got {series_uid}")
    stack = max(holding, key=_rank)
    alone = Stack(tuple(frame for frame in stack.frames if frame.series_uid == series_uid))
    return alone if alone.n_slices >= MIN_SLICES and alone.n_phases > 1 else stack


def _refuse_mixed_sizes(chosen: Stack, left_out: Sequence[Stack], *, by_hand: bool) -> None:
    first = chosen.frames[0]
    for stack in left_out:
        other = stack.frames[0]
        same_form = (other.rows, other.columns, other.pixel_spacing) == (first.rows, first.columns, first.pixel_spacing)
        if same_form or other.variant != first.variant:
            continue
        if not other.is_parallel_to(first, tolerance=ORIENTATION_TOLERANCE):
            continue
        shared_series = set(stack.series) & set(chosen.series)
        fills_in = not by_hand and stack.n_phases == chosen.n_phases > 1 and not stack.overlaps(chosen)
        if shared_series or fills_in:
            raise LatticeError(
                f"pictures of one stack must have one size, got {first.rows} x {first.columns} at "
                f"{first.pixel_spacing} mm and {other.rows} x {other.columns} at {other.pixel_spacing} mm",
                other.path,
            )


def _told(stack: Stack) -> str:
    names = ", ".join(stack.series[:3]) + (f" and {len(stack.series) - 3} more" if len(stack.series) > 3 else "")
    return f"{stack.n_slices} slice(s) x {stack.n_phases} phase(s), {len(stack.frames)} frames, series {names}"


def _listed(stacks: Sequence[Stack]) -> str:
    return "; ".join(_told(stack) for stack in stacks)


def _why(stack: Stack, chosen: Stack) -> str:
    if stack.n_slices < MIN_SLICES:
        return f"fewer than {MIN_SLICES} parallel slices, as localisers and long-axis views have"
    if stack.n_phases == 1 and chosen.n_phases > 1:
        return "one phase only"
    return "not the stack chosen"
