"""DICOM files to `Frame`s: which files count, and what becomes of the others."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from pydicom.uid import UID

from pipeline.core.errors import HeaderError, UnreadableError, first_line
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
    words,
)
from pipeline.read.dicom.pixels import PIXEL_FORMAT_TAGS, native_form

__all__ = ["HEADER_TAGS", "UNKNOWN_KIND", "Fault", "FileFacts", "Findings", "examine_file", "name_files", "read_frames"]

HEADER_TAGS = ("PatientID", *CLASSIC_TAGS, *PIXEL_FORMAT_TAGS, *ENHANCED_TAGS)
"""Elements read from every file; all else is skipped, which keeps a study's headers to a fraction of a second."""

_LOGGER = logging.getLogger(__name__)
MAX_FRAMES = 1 << 16
"""Of one file, as no cine has: one of 50 phases of 20 slices has 1000."""
UNKNOWN_KIND = "an unknown kind of object"
"""What is said of a file whose class is none of the standard's."""

_NAMED = 3
_KEPT = 4096
"""Files whose headers are kept between finding and reading a study: a few kB each, and more than any cine has."""


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
class FileFacts:
    """What the header of one DICOM file says.

    Attributes:
        study_uid: StudyInstanceUID; `None` where absent.
        patient: PatientID, all its values; empty where absent. Never stored or shown.
        is_image: whether it is an MR image, as far as it says what it is.
        frames: of a greyscale MR image.
        fault: what is wrong with it; `None` where nothing is.
        other: name of an object that is no greyscale MR image.
    """

    study_uid: str | None = None
    patient: str = ""
    is_image: bool = False
    frames: tuple[Frame, ...] = ()
    fault: Fault | None = None
    other: str | None = None


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
    examined = [(path, facts) for path in files if (facts := examine_file(path)) is not None]
    return Findings(
        frames=tuple(frame for _, facts in examined for frame in facts.frames),
        faults=tuple(facts.fault for _, facts in examined if facts.fault is not None),
        others=tuple((path, facts.other) for path, facts in examined if facts.other is not None),
    )


def examine_file(path: Path) -> FileFacts | None:
    """Read a file's header, once: what was found is kept for the next step until the file changes.

    Returns:
        The facts, what is wrong with the file among them; `None` for one that is not DICOM.
    """
    try:
        status = path.stat()
    except OSError as error:
        return FileFacts(fault=Fault(path, f"a file must be readable, got {error.strerror}"))
    return _examine(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=_KEPT)
def _examine(path: Path, _version: tuple[int, int, int]) -> FileFacts | None:
    facts = FileFacts()
    try:
        with quiet_dicom():
            header = read_header(path, tags=HEADER_TAGS)
            if header is None:
                return None
            elements = header.elements
            facts = FileFacts(
                study_uid=text(elements, "StudyInstanceUID"),
                patient="\\".join(words(elements, "PatientID")),
                is_image=sop_class(elements) in CLASSIC_MR | ENHANCED_MR | {""},
            )
            series_uid = text(elements, "SeriesInstanceUID")
            try:
                other = _other_kind(header)
                return replace(facts, other=other, frames=_frames_of(header, path) if other is None else ())
            except (UnreadableError, HeaderError, *PARSE_ERRORS) as error:  # values are converted when looked at
                return replace(facts, fault=Fault(path, _reason(error), series_uid))
    except (UnreadableError, HeaderError, *PARSE_ERRORS) as error:
        return replace(facts, fault=Fault(path, _reason(error)))


def _other_kind(header: Header) -> str | None:
    """Name of a DICOM object that is no greyscale MR image; `None` for one that is."""
    kind = sop_class(header.elements)
    if not kind:
        raise UnreadableError("a DICOM file must state its SOPClassUID, got none: it is cut short or no DICOM")
    if kind not in CLASSIC_MR | ENHANCED_MR:
        return UID(kind).name if UID(kind).name != kind else UNKNOWN_KIND
    return "colour picture" if (integer(header.elements, "SamplesPerPixel") or 1) != 1 else None


def _frames_of(header: Header, path: Path) -> tuple[Frame, ...]:
    elements = header.elements
    if not header.has_pixels:
        raise UnreadableError("an image must hold pixel data, got none: the file is cut short or stripped of them")
    n_frames = integer(elements, "NumberOfFrames") or 1
    if n_frames > MAX_FRAMES:
        raise UnreadableError(f"an image must have {MAX_FRAMES} frames or fewer, NumberOfFrames says {n_frames}")
    frames_of = enhanced_frames if sop_class(elements) in ENHANCED_MR else classic_frames
    frames, native = frames_of(elements, path), native_form(header)
    return frames if native is None else tuple(replace(frame, native=native) for frame in frames)


def _reason(error: Exception) -> str:
    """The sentence of an error without the file's path, which a note names by itself."""
    if isinstance(error, UnreadableError | HeaderError):
        return str(error).removesuffix(f" [{error.path}]")
    return f"a DICOM header must parse, got {type(error).__name__}: {first_line(error)}"
