"""DICOM files to `Frame`s: which files count, and what becomes of the others."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.uid import UID

from pipeline.core.errors import HeaderError, UnreadableError
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.classic import CLASSIC_TAGS, classic_frames
from pipeline.read.dicom.enhanced import ENHANCED_TAGS, enhanced_frames
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.headers import (
    CLASSIC_MR,
    ENHANCED_MR,
    PARSE_ERRORS,
    Header,
    integer,
    read_header,
    sop_class,
    text,
)
from pipeline.read.dicom.pixels import PIXEL_FORMAT_TAGS, native_form

__all__ = ["HEADER_TAGS", "Fault", "Findings", "name_files", "read_frames"]

HEADER_TAGS = (*CLASSIC_TAGS, *PIXEL_FORMAT_TAGS, *ENHANCED_TAGS)
"""Elements read from every file; all else is skipped, which keeps a study's headers to a fraction of a second."""

_LOGGER = logging.getLogger(__name__)
_NAMED = 3


@dataclass(frozen=True)
class Fault:
    """A file that gave no frame though it should have.

    Attributes:
        path: the file.
        reason: what is wrong with it, without the path.
        series_uid: the series it says it belongs to; `None` where that cannot be read.
    """

    path: Path
    reason: str
    series_uid: str | None = None


@dataclass(frozen=True)
class Findings:
    """What is among some files.

    Attributes:
        frames: header facts of every MR image.
        faults: files that are damaged, or images without a plane.
        others: DICOM objects that are no greyscale MR image, by what they are.
    """

    frames: tuple[Frame, ...]
    faults: tuple[Fault, ...] = ()
    others: tuple[tuple[Path, str], ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for the objects of other kinds, and one for each reason why files could not be used."""
        notes = []
        if self.others:
            counts = Counter(name for _, name in self.others)
            told = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
            notes.append(f"left out {len(self.others)} file(s) that are no greyscale MR image: {told}")
        by_reason: dict[str, list[Path]] = defaultdict(list)
        for fault in self.faults:
            by_reason[fault.reason].append(fault.path)
        notes += [f"left out {name_files(paths)}: {reason}" for reason, paths in by_reason.items()]
        return tuple(notes)


def name_files(paths: Sequence[Path]) -> str:
    """Name some files in a sentence, the first three of them.

    >>> name_files([Path("a/1.dcm")]), name_files([Path(f"{n}.dcm") for n in range(5)])
    ('1.dcm', '5 files (0.dcm, 1.dcm, 2.dcm, ...)')
    """
    if len(paths) == 1:
        return paths[0].name
    names = ", ".join(path.name for path in paths[:_NAMED])
    return f"{len(paths)} files ({names}{', ...' if len(paths) > _NAMED else ''})"


def read_frames(files: Iterable[Path]) -> Findings:
    """Header facts of every MR image among some files; reads no pixels.

    One bad file never stops the others: what cannot be used is told in the findings, and whether it is missed is for
    the reader of a stack to say. Files that are not DICOM are passed over.
    """
    frames: list[Frame] = []
    faults: list[Fault] = []
    others: list[tuple[Path, str]] = []
    with quiet_dicom():
        for path in files:
            series_uid = None
            try:
                header = read_header(path, tags=HEADER_TAGS)
                if header is None:
                    _LOGGER.debug("left out %s: not DICOM", path)
                    continue
                series_uid = text(header.elements, "SeriesInstanceUID")
                other = _other_kind(header)
                if other is None:
                    frames.extend(_frames_of(header, path))
                else:
                    others.append((path, other))
            except (UnreadableError, HeaderError, *PARSE_ERRORS) as error:  # values are converted when first looked at
                faults.append(Fault(path, _reason(error), series_uid))
    return Findings(tuple(frames), tuple(faults), tuple(others))


def _other_kind(header: Header) -> str | None:
    """Name of a DICOM object that is no greyscale MR image; `None` for one that is."""
    kind = sop_class(header.elements)
    if not kind:
        raise UnreadableError("a DICOM file must state its SOPClassUID, got none: it is cut short or no DICOM")
    if kind not in CLASSIC_MR | ENHANCED_MR:
        return UID(kind).name if UID(kind).name != kind else "an unknown kind of object"
    return "colour picture" if (integer(header.elements, "SamplesPerPixel") or 1) != 1 else None


def _frames_of(header: Header, path: Path) -> tuple[Frame, ...]:
    elements = header.elements
    if not header.has_pixels:
        raise UnreadableError("an image must hold pixel data, got none: the file is cut short or stripped of them")
    frames_of = enhanced_frames if sop_class(elements) in ENHANCED_MR else classic_frames
    frames, native = frames_of(elements, path), native_form(header)
    return frames if native is None else tuple(replace(frame, native=native) for frame in frames)


def _reason(error: Exception) -> str:
    """The sentence of an error without the file's path, which a note names by itself."""
    if isinstance(error, UnreadableError | HeaderError):
        return str(error).removesuffix(f" [{error.path}]")
    return f"a DICOM header must parse, got {type(error).__name__}: {error}"
