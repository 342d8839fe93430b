"""A DICOM study to its short-axis `Cine`."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.core.errors import LatticeError, UnreadableError
from pipeline.core.geometry import Grid, affine_from_dicom
from pipeline.core.images import Cine, SourceFrame, StudyFacts
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.choice import choose_stack
from pipeline.read.dicom.files import read_frames
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.headers import number, read_header, text
from pipeline.read.dicom.lattice import STEP_TOLERANCE_MM, Lattice, build_lattice
from pipeline.read.dicom.pixels import read_pictures
from pipeline.read.search import files_under

__all__ = ["read_dicom_cine"]

_LOGGER = logging.getLogger(__name__)


def read_dicom_cine(
    source: str | Path | Sequence[str | Path],
    *,
    series_uid: str | None = None,
    tolerance_mm: float = STEP_TOLERANCE_MM,
) -> Cine:
    """Read the short-axis cine of one DICOM study, or a static volume as a cine of one phase.

    Takes every layout: all in one series, one series a slice, one series a phase, enhanced multi-frame. Slices are
    ordered by position along the normal (cross product of row and column direction), phases by time; nothing is filled
    in. Stored integers stay integers where no file rescales them, else the array is float32.

    Args:
        source: a DICOM file, a folder (searched below, any file names), or the files of one study.
        series_uid: SeriesInstanceUID of the stack to read; otherwise it is chosen by geometry and count.
        tolerance_mm: how far a slice may lie from its place in an evenly spaced stack.

    Returns:
        The cine: array (T, X, Y, Z), RAS+ affine in mm, times in ms where known, sources, facts and notes.

    Raises:
        UnreadableError: no MR image, a file cut short, no pixel data, or several studies at once.
        HeaderError: a file lacks position, orientation or spacing.
        LatticeError: a phase or slice is missing, doubled with other pixels, unevenly spaced, or of another size; no
            single stack is the short axis; the series is not there.
    """
    files = _files(source)
    frames = read_frames(files)
    named = files[0] if len(files) == 1 else files[0].parent if files else None
    if not frames:
        raise UnreadableError(f"at least one MR image must be among the files, got none in {len(files)}", named)
    n_studies = len({frame.study_uid for frame in frames})
    if n_studies > 1:
        raise UnreadableError(f"files must belong to one study, got {n_studies} studies: read each by itself", named)
    stack, left_out = choose_stack(frames, series_uid=series_uid)
    lattice = build_lattice(stack, tolerance_mm=tolerance_mm)
    array, repeat_notes = _pixels(lattice)
    notes = lattice.notes + repeat_notes + _mosaic_notes(stack.frames[0])
    for note in notes:
        _LOGGER.info(note)
    return Cine(
        array,
        _grid(lattice, array),
        times_ms=lattice.times_ms,
        sources=tuple(
            tuple(SourceFrame(str(f.path), f.sop_instance_uid, f.frame_number) for f in row) for row in lattice.frames
        ),
        facts=_facts(lattice),
        notes=notes + left_out,
    )


def _files(source: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    if isinstance(source, str | Path):
        return files_under(Path(source))
    return tuple(sorted({file for path in source for file in files_under(Path(path))}))


def _grid(lattice: Lattice, array: np.ndarray) -> Grid:
    first = lattice.frames[0][0]
    affine = affine_from_dicom(
        position=first.position,
        orientation=first.orientation,
        pixel_spacing=first.pixel_spacing,
        slice_step=lattice.step.tolist(),
    )
    return Grid((array.shape[1], array.shape[2], array.shape[3]), affine)


def _pixels(lattice: Lattice) -> tuple[np.ndarray, tuple[str, ...]]:
    """Array (T, X, Y, Z), each file decoded once, and a note for each repeat dropped."""
    n_phases, n_slices = len(lattice.frames), len(lattice.frames[0])
    first = lattice.frames[0][0]
    by_file: dict[Path, list[tuple[int, int, Frame]]] = defaultdict(list)
    for t, row in enumerate(lattice.frames):
        for z, frame in enumerate(row):
            by_file[frame.path].append((t, z, frame))
    rescaled = any(frame.is_rescaled for row in lattice.frames for frame in row)
    pictures = np.empty((n_phases, n_slices, first.rows, first.columns), np.float32 if rescaled else np.uint8)
    for path in sorted(by_file):
        for (t, z, _), picture in zip(by_file[path], read_pictures(path, [f for *_, f in by_file[path]]), strict=True):
            if not rescaled:
                pictures = pictures.astype(np.result_type(pictures, picture), copy=False)
            pictures[t, z] = picture
    return pictures.transpose(0, 3, 2, 1), _compare_repeats(lattice)


def _compare_repeats(lattice: Lattice) -> tuple[str, ...]:
    for kept, repeated in lattice.repeats:
        first, second = (read_pictures(frame.path, [frame])[0] for frame in (kept, repeated))
        if not np.array_equal(first, second):
            raise LatticeError(
                f"a position and time must have one picture, got others in {kept.path.name} and "
                f"{repeated.path.name}; take one of them out of the folder, or name the series to read",
                repeated.path,
            )
    if not lattice.repeats:
        return ()
    names = ", ".join(repeated.path.name for _, repeated in lattice.repeats[:3])
    return (f"dropped {len(lattice.repeats)} repeated frame(s) with identical pixels: {names}",)


def _mosaic_notes(frame: Frame) -> tuple[str, ...]:
    if "MOSAIC" not in frame.variant:
        return ()
    return ("pictures are Siemens mosaics, several slices tiled in one: places and volumes hold for the tiling only",)


def _facts(lattice: Lattice) -> StudyFacts:
    first = lattice.frames[0][0]
    rates = [frame.heart_rate_bpm for row in lattice.frames for frame in row if frame.heart_rate_bpm]
    with quiet_dicom():
        header = read_header(first.path, tags=("Manufacturer", "PatientSize", "PatientWeight"))
        if header is None:
            raise UnreadableError("a file must stay readable while it is read, got no DICOM any more", first.path)
        return StudyFacts(
            study_uid=first.study_uid or None,
            series_uid=first.series_uid or None,
            manufacturer=text(header.elements, "Manufacturer"),
            heart_rate_bpm=float(np.mean(rates)) if rates else None,
            height_m=_positive(number(header.elements, "PatientSize")),
            weight_kg=_positive(number(header.elements, "PatientWeight")),
        )


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None
