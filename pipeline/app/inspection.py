"""`cmr inspect`: what is in a study and what would be segmented, as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from pipeline.read.inspection import Inspection, StackFound

__all__ = ["to_json", "to_text"]


def to_json(inspection: Inspection) -> str:
    """One JSON object a case, with all that is told."""
    return json.dumps(asdict(inspection))


def to_text(inspection: Inspection) -> str:
    """A case in lines: each series with what it is taken for and why, then what would be segmented, then notes."""
    return "\n".join(_lines(inspection))


def _lines(inspection: Inspection) -> Iterator[str]:
    yield f"{inspection.name}  ({inspection.kind}, {inspection.path})"
    for stack in inspection.stacks:
        yield from _of_stack(stack)
    if inspection.cine is None:
        yield f"  refused: {inspection.refusal}"
    else:
        yield f"  would segment: {_of_cine(inspection)}"
    yield from (f"  note: {note}" for note in inspection.notes)


def _of_stack(stack: StackFound) -> Iterator[str]:
    numbers = ", ".join(map(str, stack.numbers[:8])) + (" ..." if len(stack.numbers) > 8 else "")
    name = f' "{stack.description}"' if stack.description else ""
    mark = "*" if stack.is_read else " "
    yield (
        f"{mark} series {numbers or '?'}{name}: {stack.n_slices} slice(s) x {stack.n_phases} phase(s): "
        f"{stack.taken_for} ({stack.points:g} points)"
    )
    yield from (f"      {points:+6.1f}  {reason}" for points, reason in stack.evidence)
    yield f"              {stack.series[0]}" + (f" and {len(stack.series) - 1} more" if len(stack.series) > 1 else "")


def _of_cine(inspection: Inspection) -> str:
    cine = inspection.cine or {}
    x, y = cine["pixels"]
    spacing = " x ".join(f"{mm:.2f}" for mm in cine["spacing_mm"])
    times = cine["times_ms"]
    clock = "no clock" if not times or len(times) < 2 else f"times {times[0]:.0f} to {times[-1]:.0f} ms"
    return f"{cine['n_slices']} slices x {cine['n_phases']} phases of {x} x {y} pixels, {spacing} mm, {clock}"
