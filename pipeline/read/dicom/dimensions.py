"""Along what the frames of one plane differ: only time in the beat makes phases.

Echo times, inversion times, b-values and velocity encodings can take the place of the time in a series that looks like
a cine, or multiply its frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.core.errors import LatticeError
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.stacks import Stack

__all__ = ["Dimension", "keep_one_value", "varying_dimensions"]

_SAME = 0.02
"""Values that differ by less than this part are one: scanners round and tune them from frame to frame."""


@dataclass(frozen=True)
class Dimension:
    """Something other than time that frames of one plane can differ in.

    Attributes:
        name: the element.
        value: of a frame; `None` where the header is silent.
        is_safe: whether pictures at any of its values show the anatomy alike, so that those at one may be taken.
        unit: of the value.
    """

    name: str
    value: Callable[[Frame], float | str | None]
    is_safe: bool
    unit: str = ""


_DIMENSIONS = (
    Dimension("InversionTime", lambda frame: frame.technique.inversion_ms, is_safe=False, unit=" ms"),
    Dimension("DiffusionBValue", lambda frame: frame.technique.b_value, is_safe=False, unit=" s/mm2"),
    Dimension("EchoTime", lambda frame: frame.technique.echo_ms, is_safe=True, unit=" ms"),
    Dimension("VelocityEncodingDirection", lambda frame: frame.technique.velocity, is_safe=True),
)


def varying_dimensions(stack: Stack) -> tuple[Dimension, ...]:
    """The dimensions in which frames at one position differ, in most slices of a stack."""
    return tuple(
        dimension
        for dimension in _DIMENSIONS
        if 2 * sum(len(_values(frames, dimension)) > 1 for _, frames in stack.slices) > stack.n_slices
    )


def keep_one_value(stack: Stack) -> tuple[Stack, tuple[str, ...]]:
    """Keep the frames at one value of each dimension that varies, the least, where a cine is left.

    Returns:
        The stack, and a note for each dimension.

    Raises:
        LatticeError: a dimension whose values change what is seen (inversion time, b-value), or one that has another
            value in each frame, so that it stands in the place of the time.
    """
    notes = []
    for dimension in varying_dimensions(stack):
        values = _values(stack.frames, dimension)
        kept = tuple(frame for frame in stack.frames if _is_same(dimension.value(frame), values[0]))
        told = f"{dimension.name} has {len(values)} values in one plane, {values[0]} to {values[-1]}{dimension.unit}"
        if not dimension.is_safe or not kept or Stack(kept).n_phases < 2:
            raise LatticeError(
                f"frames of one plane must differ in time alone, got pictures that {told}: that is no cine; "
                "name another series to read",
                stack.frames[0].path.parent,
            )
        notes.append(f"{told}: the frames at {values[0]}{dimension.unit} are read")
        stack = Stack(kept)
    return stack, tuple(notes)


def _values(frames: Sequence[Frame], dimension: Dimension) -> list[float | str]:
    """The distinct values that some frames have, sorted."""
    distinct: list[float | str] = []
    present = {value for frame in frames if (value := dimension.value(frame)) is not None}
    for value in sorted(present, key=lambda value: (isinstance(value, str), value)):
        if not distinct or not _is_same(value, distinct[-1]):
            distinct.append(value)
    return distinct


def _is_same(a: float | str | None, b: float | str | None) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= _SAME * max(abs(a), abs(b))
    return a == b
