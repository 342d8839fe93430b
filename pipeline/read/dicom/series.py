"""A DICOM study to its short-axis `Cine`."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.core.errors import LatticeError, PipelineError, UnreadableError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, SourceFrame
from pipeline.read.budget import require_affordable
from pipeline.read.dicom.choice import Choice, Look, choose_stack, describe_stack
from pipeline.read.dicom.consistency import compare_frames, doubt_negatives, doubt_rate
from pipeline.read.dicom.dimensions import keep_one_value
from pipeline.read.dicom.facts import read_facts
from pipeline.read.dicom.files import Fault, Findings, name_files, read_frames
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.lattice import Lattice, build_lattice
from pipeline.read.dicom.pixels import read_pictures
from pipeline.read.dicom.repeats import Prefer, order_in_time
from pipeline.read.dicom.stacks import Stack
from pipeline.read.search import files_under

__all__ = ["SeriesOptions", "read_dicom_cine"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeriesOptions:
    """What a user may decide about which pictures of a study are read.

    Attributes:
        series_uid: SeriesInstanceUID of the stack to read; `None` lets the evidence decide.
        prefer: which of several complete acquisitions of a slice or stack.
        drop_incomplete: leave out phases or slices that are not complete, instead of refusing the study.
    """

    series_uid: str | None = None
    prefer: Prefer = "later"
    drop_incomplete: bool = False


def read_dicom_cine(
    source: str | Path | Sequence[str | Path], *, options: SeriesOptions | None = None, look: Look | None = None
) -> Cine:
    """Read the short-axis cine of one DICOM study, or a static volume as a cine of one phase.

    Takes every layout: all in one series, one series a slice, one series a phase, enhanced multi-frame. Slices are
    ordered by position along the normal (cross product of row and column direction), phases by time; nothing is filled
    in. Stored integers stay integers where no file rescales them, else the array is float32.

    Args:
        source: a DICOM file, a folder (searched below, any file names), or the files of one study.
        options: what the user decides; otherwise the stack is chosen by evidence, see `evidence`.
        look: judges pictures of stacks that headers do not tell apart, see `choice.choose_stack`.

    Returns:
        The cine: array (T, X, Y, Z), RAS+ affine in mm, times in ms where known, sources, facts and notes. Files that
        cannot be used are named in the notes.

    Raises:
        UnreadableError: no MR image, several studies at once, or files of the stack itself that are damaged.
        LatticeError: a phase or slice is missing, doubled with other pixels, or too far off; no single stack is the
            short axis; the series is not there.
    """
    options = options or SeriesOptions()
    files = _files(source)
    found = read_frames(files)
    _refuse_none_or_several(found, files)
    choice = choose_stack(
        found.frames,
        series_uid=options.series_uid,
        prefer=options.prefer,
        look=None if look is None else partial(_look_at, look=look),
    )
    stack, notes = keep_one_value(choice.stack)
    _refuse_needed(found.faults, stack, options)
    lattice = _complete(stack, found, options)
    notes = (*notes, *lattice.notes, *_compare_copies(lattice), *_compare_repeats(lattice, options.prefer))
    notes = (*notes, *_compare_again(choice, options.prefer))
    for note in notes:
        _LOGGER.info(note)
    return _make_cine(lattice, notes=(*notes, *choice.notes, *found.notes))


def _make_cine(lattice: Lattice, *, notes: tuple[str, ...] = ()) -> Cine:
    array, spare = _pixels(lattice)
    facts, told = read_facts(lattice.frames)
    told += (*spare, *compare_frames(lattice.frames), *doubt_negatives(array))
    told += doubt_rate(lattice.times_ms, facts.heart_rate_bpm)
    return Cine(
        array,
        Grid((array.shape[1], array.shape[2], array.shape[3]), lattice.planes.affine, lattice.planes.spans_mm),
        times_ms=lattice.times_ms,
        sources=tuple(
            tuple(SourceFrame(str(f.path), f.sop_instance_uid, f.frame_number, f.position, f.orientation) for f in row)
            for row in lattice.frames
        ),
        facts=facts,
        notes=(*told, *notes),
    )


def _look_at(stack: Stack, *, look: Look) -> float:
    """How much of a heart is seen in the first phase of a stack; hardly any in one that cannot be read."""
    try:
        lattice = build_lattice(keep_one_value(stack)[0], drop_incomplete=True)
        return look(_make_cine(replace(lattice, frames=lattice.frames[:1], times_ms=None)))
    except PipelineError as error:
        _LOGGER.info("not looked at: %s", error)
        return sys.float_info.min


def _files(source: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    if isinstance(source, str | Path):
        return files_under(Path(source))
    return tuple(sorted({file for path in source for file in files_under(Path(path))}))


def _refuse_none_or_several(found: Findings, files: Sequence[Path]) -> None:
    named = files[0] if len(files) == 1 else files[0].parent if files else None
    if not found.frames:
        if len(found.faults) == 1:
            raise UnreadableError(found.faults[0].reason, found.faults[0].path)
        reasons = "".join(f"; {note}" for note in found.notes[:3])
        raise UnreadableError(
            f"at least one MR image must be among the files, got none in {len(files)}{reasons}", named
        )
    studies = {frame.study_uid for frame in found.frames}
    if len(studies) > 1:
        raise UnreadableError(f"the files must be of one study, got {len(studies)}; read each by itself", named)


def _refuse_needed(faults: Sequence[Fault], stack: Stack, options: SeriesOptions) -> None:
    """Refuse where damaged files of the stack's own series could be a whole slice or phase that nothing else shows.

    Fewer would leave a hole, which the lattice refuses by itself.
    """
    own = [fault for fault in faults if fault.series_uid in stack.series]
    if len(own) < min(stack.n_phases, stack.n_slices) or options.drop_incomplete:
        return
    raise UnreadableError(
        f"files of the series to be read must be whole, got {name_files([fault.path for fault in own])}: "
        f"{own[0].reason}; copy them again, or --drop-incomplete reads the others",
        own[0].path,
    )


def _complete(stack: Stack, found: Findings, options: SeriesOptions) -> Lattice:
    """The stack's lattice; where it has a hole and a damaged file may belong there, that file is to blame."""
    try:
        return build_lattice(stack, prefer=options.prefer, drop_incomplete=options.drop_incomplete)
    except LatticeError as error:
        suspects = [fault for fault in found.faults if fault.series_uid in (None, *stack.series)]
        if not suspects:
            raise
        names = name_files([fault.path for fault in suspects])
        raise UnreadableError(f"{error}; {names} could not be read: {suspects[0].reason}", suspects[0].path) from error


def _pixels(lattice: Lattice) -> tuple[np.ndarray, tuple[str, ...]]:
    """Array (T, X, Y, Z), each file decoded once; and a note on the files with bits that BitsStored leaves out."""
    spare: list[Path] = []
    n_phases, n_slices = len(lattice.frames), len(lattice.frames[0])
    first = lattice.frames[0][0]
    by_file: dict[Path, list[tuple[int, int, Frame]]] = defaultdict(list)
    for t, row in enumerate(lattice.frames):
        for z, frame in enumerate(row):
            by_file[frame.path].append((t, z, frame))
    rescaled = any(frame.is_rescaled for row in lattice.frames for frame in row)
    require_affordable((n_phases, n_slices, first.rows, first.columns), first.path)
    pictures = np.empty((n_phases, n_slices, first.rows, first.columns), np.float32 if rescaled else np.uint8)
    for path in sorted(by_file):
        for (t, z, _), picture in zip(
            by_file[path], read_pictures(path, [f for *_, f in by_file[path]], spare), strict=True
        ):
            if not rescaled:
                pictures = pictures.astype(np.result_type(pictures, picture), copy=False)
            pictures[t, z] = picture
    notes = (f"bits above BitsStored are left out of the pixels of {name_files(spare)}",) if spare else ()
    return pictures.transpose(0, 3, 2, 1), notes


def _compare_copies(lattice: Lattice) -> tuple[str, ...]:
    """A note for frames that came twice; refused where they differ, for nothing tells which is right."""
    for kept, repeated in lattice.copies:
        if not _same_pixels([kept], [repeated]):
            raise LatticeError(
                f"a position and time must have one picture, got others in {kept.path.name} and "
                f"{repeated.path.name}; take one of them out of the folder, or name the series to read",
                repeated.path,
            )
    if not lattice.copies:
        return ()
    names = name_files([repeated.path for _, repeated in lattice.copies])
    return (f"dropped {len(lattice.copies)} repeated frame(s) with identical pixels: {names}",)


def _compare_repeats(lattice: Lattice, prefer: Prefer) -> tuple[str, ...]:
    """A note for each slice that was acquired several times."""
    notes, same = [], 0
    for read, other in lattice.repeats:
        if _same_pixels(read, other):
            same += 1
            continue
        _refuse_unordered(read, other)
        where = next(z for z, column in enumerate(zip(*lattice.frames, strict=True), 1) if set(column) & set(read))
        notes.append(
            f"slice {where} was acquired more than once: the {prefer} acquisition is read "
            f"(series {read[0].series_number}), not that of series {other[0].series_number} with {len(other)} phase(s)"
        )
    copies = (f"dropped copies of {same} slice(s) with identical pixels",) if same else ()
    return (*notes, *copies)


def _compare_again(choice: Choice, prefer: Prefer) -> tuple[str, ...]:
    """A note for each other acquisition of the whole stack."""
    notes = []
    for stack in choice.again:
        mine, theirs = (sorted(one.frames, key=_place) for one in (choice.stack, stack))
        if _same_pixels(mine, theirs):
            notes.append(f"dropped a copy of the stack with identical pixels: {describe_stack(stack)}")
            continue
        _refuse_unordered(choice.stack.frames, stack.frames)
        notes.append(f"the stack was acquired more than once, the {prefer} is read; left out {describe_stack(stack)}")
    return tuple(notes)


def _place(frame: Frame) -> tuple[object, ...]:
    return (
        [round(mm, 1) for mm in frame.position],
        frame.trigger_ms or 0.0,
        frame.temporal_index or 0,
        frame.instance_number or 0,
    )


def _same_pixels(mine: Sequence[Frame], theirs: Sequence[Frame]) -> bool:
    return len(mine) == len(theirs) and all(
        np.array_equal(read_pictures(a.path, [a])[0], read_pictures(b.path, [b])[0])
        for a, b in zip(mine, theirs, strict=True)
    )


def _refuse_unordered(read: Sequence[Frame], other: Sequence[Frame]) -> None:
    if order_in_time(read) == order_in_time(other):
        raise LatticeError(
            "of two acquisitions of one slice the later is read, got two of which nothing tells the order: series "
            f"{read[0].series_uid} and {other[0].series_uid}; name the series to read",
            other[0].path.parent,
        )
