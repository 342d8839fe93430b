"""What is in a study, what each series is taken for and why, and what would be segmented: nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError
from pipeline.core.images import Cine
from pipeline.read.archives import opened
from pipeline.read.cine import SeriesOptions, read_cine
from pipeline.read.dicom.choice import rank_stacks
from pipeline.read.dicom.dimensions import varying_dimensions
from pipeline.read.dicom.evidence import Candidate
from pipeline.read.dicom.files import read_frames
from pipeline.read.dicom.stacks import MIN_SLICES
from pipeline.read.discover import CaseFiles

__all__ = ["Inspection", "StackFound", "inspect_case"]


@dataclass(frozen=True)
class StackFound:
    """One stack of a study.

    Attributes:
        series: SeriesInstanceUIDs.
        numbers: SeriesNumbers, sorted; empty where none is stated.
        description: SeriesDescription or ProtocolName of its first frame; may name anything.
        n_slices: positions.
        n_phases: frames at a position.
        taken_for: in a word or two.
        points: of all evidence; the most is the short axis.
        evidence: (points, reason) of each sign.
        is_read: whether it is what would be segmented.
    """

    series: tuple[str, ...]
    numbers: tuple[int, ...]
    description: str
    n_slices: int
    n_phases: int
    taken_for: str
    points: float
    evidence: tuple[tuple[float, str], ...]
    is_read: bool


@dataclass(frozen=True)
class Inspection:
    """A case as `segment` would see it.

    Attributes:
        name: of the case.
        path: where it lies.
        kind: of file, see `discover.CaseFiles`.
        stacks: of a DICOM study, the likeliest short axis first.
        cine: shape, spacing and beat of what would be segmented; `None` where that is refused.
        refusal: why nothing can be segmented; `None` where it can.
        notes: what the reader notes.
    """

    name: str
    path: str
    kind: str
    stacks: tuple[StackFound, ...]
    cine: dict[str, Any] | None
    refusal: str | None
    notes: tuple[str, ...]


def inspect_case(case: CaseFiles, *, options: SeriesOptions | None = None) -> Inspection:
    """Look at a case without segmenting it.

    Args:
        case: one of `discover.find_cases`.
        options: as for reading.

    Returns:
        The findings; a case that cannot be read is told in `refusal`, not raised.
    """
    try:
        with opened(case.files) as places:
            return _inspect(case, places, options)
    except PipelineError as error:  # an archive that does not unpack any more
        return Inspection(case.name, str(case.path), case.kind, (), None, str(error), ())


def _inspect(case: CaseFiles, places: Sequence[Path], options: SeriesOptions | None) -> Inspection:
    cine, refusal = None, None
    try:
        cine = read_cine(places, options=options)
    except PipelineError as error:
        refusal = str(error)
    stacks: tuple[StackFound, ...] = ()
    notes = () if cine is None else cine.notes
    if case.kind == "dicom":
        found = read_frames(places)
        read = {source.path for row in cine.sources or () for source in row} if cine is not None else set()
        stacks = tuple(_describe(candidate, read) for candidate in rank_stacks(found.frames))
        notes = notes or found.notes
    return Inspection(
        case.name, str(case.path), case.kind, stacks, None if cine is None else _summarise(cine), refusal, notes
    )


def _describe(candidate: Candidate, read: set[str]) -> StackFound:
    stack = candidate.stack
    # a multi-frame file may hold several kinds of picture: those read are the magnitudes
    is_read = candidate.can_be_short_axis and any(str(frame.path) in read for frame in stack.frames)
    return StackFound(
        series=stack.series,
        numbers=tuple(sorted({frame.series_number for frame in stack.frames if frame.series_number is not None})),
        description=stack.frames[0].technique.description,
        n_slices=stack.n_slices,
        n_phases=stack.n_phases,
        taken_for="short-axis cine" if is_read and stack.n_phases > 1 else _name_kind(candidate),
        points=round(candidate.points, 1),
        evidence=tuple((round(sign.points, 1), sign.reason) for sign in candidate.evidence),
        is_read=is_read,
    )


def _name_kind(candidate: Candidate) -> str:
    """A stack's kind in a word or two, by the sign that excludes it most."""
    stack = candidate.stack
    kind = stack.frames[0].kind
    if kind.is_mosaic:
        return "mosaic"
    if kind.component != "magnitude":
        return f"{kind.component} pictures"
    if varying_dimensions(stack):
        return "map or several echoes"
    if stack.n_slices < MIN_SLICES:
        return "single moving slices" if stack.n_phases > 1 else "localiser or single pictures"
    if kind.is_derived:
        return "derived pictures"
    if stack.n_phases == 1:
        return "static stack"
    if any("more than a beat" in sign.reason for sign in candidate.evidence):
        return "dynamic series, as perfusion"
    return "cine of another plane or technique"


def _summarise(cine: Cine) -> dict[str, Any]:
    """Shape and spacing of a cine, and what its clock says."""
    return {
        "n_phases": cine.n_phases,
        "n_slices": cine.n_slices,
        "pixels": list(cine.grid.shape[:2]),
        "spacing_mm": [round(mm, 4) for mm in cine.grid.spacing_mm],
        "times_ms": None if cine.times_ms is None else [round(ms, 3) for ms in cine.times_ms],
        "heart_rate_bpm": cine.facts.heart_rate_bpm,
    }
