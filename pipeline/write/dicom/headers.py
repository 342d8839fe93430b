"""Headers of a cine's DICOM files, repaired for the objects derived from it.

Scanners and anonymisers write values that the standard forbids, and archives refuse a derived object that copies them.
Identifiers that tie the object to its images are kept as they are, even if they are invalid. The rest is repaired.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage

from pipeline.core.errors import ConfigError, HeaderError, UnreadableError, first_line
from pipeline.core.images import Cine, SourceFrame
from pipeline.core.quiet import quiet_dicom
from pipeline.write.dicom.subject import SUBJECT_KEYWORDS, mend_subject
from pipeline.write.dicom.uids import derived_uid

__all__ = ["FrameHeader", "SourceHeaders", "source_headers"]

_MULTI_FRAME = frozenset({EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage})
_MAX_SERIES_NUMBER = 10**6
_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_OF_EVERY_FILE = ("SOPClassUID", *_IDENTIFIERS, "FrameOfReferenceUID", "SeriesNumber", "PatientID", *_PLANE, *_GROUPS)


@dataclass(frozen=True)
class FrameHeader:
    """Position of one slice of one phase, and the identifiers by which another object refers to it.

    Attributes:
        sop_class_uid: SOPClassUID of the file.
        sop_instance_uid: SOPInstanceUID as written.
        series_uid: SeriesInstanceUID as written.
        frame_number: 1-based frame of a multi-frame file, or `None` for a single-frame one.
        position: ImagePositionPatient, LPS mm (3).
        orientation: ImageOrientationPatient: direction of rows, then of columns (6).
        pixel_spacing: PixelSpacing in mm: between rows, then between columns.
        slice_thickness_mm: SliceThickness, or the cine's slice distance if the header states none above 0.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    frame_number: int | None
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    slice_thickness_mm: float


@dataclass(frozen=True)
class SourceHeaders:
    """Header values that derived objects copy from a cine's files.

    Attributes:
        subject: patient, study and equipment elements, repaired, with StudyInstanceUID and FrameOfReferenceUID.
        series_number: SeriesNumber of the first slice, or 0 if there is none, or one above a million.
        frames: `frames[t][z]` is the header of phase t, slice z.
        faults: one sentence for each kind of repair or loss, without any value that could identify the patient.
    """

    subject: Dataset
    series_number: int
    frames: tuple[tuple[FrameHeader, ...], ...]
    faults: tuple[str, ...]


def source_headers(cine: Cine, *, pseudonym: str | None = None) -> SourceHeaders:
    """Read the headers of a cine's files and repair them.

    Args:
        cine: from DICOM, so that `sources` is known.
        pseudonym: replaces PatientName and PatientID. Everything else that could identify the patient (dates, sex, age,
            size, weight, numbers, physician, institution, descriptions) is then left empty. UIDs stay, so whoever has
            the images can still match them: this is not a full de-identification.

    Returns:
        The headers. Patient, study and equipment are those of the first phase's first slice. If files of the stack
        name different frames of reference, or an invalid one or none, a new FrameOfReferenceUID is derived from study
        and series, the same at every call.

    Raises:
        ConfigError: a cine that is not from DICOM, or a pseudonym that DICOM cannot hold.
        UnreadableError: a file that no longer exists or does not parse.
        HeaderError: a file without UID or plane, or files of different patients.
    """
    if cine.sources is None:
        raise ConfigError("DICOM objects refer to DICOM images, got a cine of another format: its results are NIfTI")
    step_mm = cine.grid.spacing_mm[2]
    with quiet_dicom():
        first = cine.sources[0][0]
        headers = _read_all(cine.sources)
        subject, faults = mend_subject(_read(first.path, SUBJECT_KEYWORDS), pseudonym=pseudonym)
        frames = tuple(tuple(_frame(headers[source.path], source) for source in row) for row in cine.sources)
        subject.StudyInstanceUID = str(headers[first.path].StudyInstanceUID)
        subject.FrameOfReferenceUID, found = _frame_of_reference(headers, frames[0][0].series_uid)
        faults += found + _invalid_identifiers(headers)
        number = _series_number(headers[first.path])
    if any(frame.slice_thickness_mm == 0 for row in frames for frame in row):
        faults.append("SliceThickness is missing: the objects state the distance of slices, which volumes rest on")
        frames = tuple(tuple(_with_thickness(frame, step_mm) for frame in row) for row in frames)
    return SourceHeaders(subject, number, frames, tuple(dict.fromkeys(faults)))


def _read(path: str, keywords: Sequence[str]) -> Dataset:
    try:
        return dcmread(path, stop_before_pixels=True, specific_tags=list(keywords))
    except (InvalidDicomError, OSError, ValueError, EOFError) as error:
        raise UnreadableError(
            f"a source must stay readable, got {type(error).__name__}: {first_line(error)}", path
        ) from error


def _read_all(sources: Sequence[Sequence[SourceFrame]]) -> dict[str, Dataset]:
    """Each file's header by its path. They must have identifiers and be of one patient and study."""
    headers = {path: _read(path, _OF_EVERY_FILE) for path in dict.fromkeys(s.path for row in sources for s in row)}
    for path, header in headers.items():
        for keyword in ("SOPClassUID", *_IDENTIFIERS):
            if not header.get(keyword):
                raise HeaderError(f"an image to refer to must state its {keyword}, got none", path)
    for keyword in ("PatientID", "StudyInstanceUID"):
        n_values = len({str(header.get(keyword, "")).strip() for header in headers.values()})
        if n_values > 1:
            raise HeaderError(f"files of one cine must have one {keyword}, got {n_values}", Path(path).parent)
    return headers


def _frame_of_reference(headers: dict[str, Dataset], series_uid: str) -> tuple[str, list[str]]:
    """The frame of reference that all files state, else a new one that depends only on study and series."""
    stated = {str(header.get("FrameOfReferenceUID") or "") for header in headers.values()}
    uid = next(iter(stated))
    if len(stated) == 1 and UID(uid).is_valid:
        return uid, []
    study_uid = str(next(iter(headers.values())).StudyInstanceUID)
    reason = "differs between files of one stack" if len(stated) > 1 else "is not valid" if uid else "is missing"
    return (
        derived_uid("frame of reference", study_uid, series_uid),
        [f"FrameOfReferenceUID {reason}: the objects made from it share a new one"],
    )


def _invalid_identifiers(headers: dict[str, Dataset]) -> list[str]:
    return [
        f"{keyword} is not valid: kept, so that the objects stay with their images"
        for keyword in _IDENTIFIERS
        if not all(UID(header[keyword].value).is_valid for header in headers.values())
    ]


def _frame(header: Dataset, source: SourceFrame) -> FrameHeader:
    groups = list(_groups(header, source))
    position, orientation, spacing = (
        _numbers(groups, keyword, length=length, path=source.path)
        for keyword, length in zip(_PLANE, (3, 6, 2), strict=False)
    )
    return FrameHeader(
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        series_uid=str(header.SeriesInstanceUID),
        frame_number=source.frame_number if header.SOPClassUID in _MULTI_FRAME else None,
        position=position,
        orientation=orientation,
        pixel_spacing=spacing,
        slice_thickness_mm=_thickness_mm(groups),
    )


def _groups(header: Dataset, source: SourceFrame) -> Iterator[Dataset]:
    """Data sets that may state a frame's plane: of a multi-frame file its own functional groups, then the shared."""
    if header.SOPClassUID not in _MULTI_FRAME:
        yield header
        return
    per_frame, shared = header.get(_GROUPS[1]) or [], header.get(_GROUPS[0]) or []
    for group in (*per_frame[source.frame_number - 1 : source.frame_number], *shared):
        yield from (item for element in group if isinstance(element.value, DicomSequence) for item in element.value[:1])


def _numbers(groups: Sequence[Dataset], keyword: str, *, length: int, path: str) -> tuple[float, ...]:
    value: Any = next((group[keyword].value for group in groups if keyword in group), ())
    if not isinstance(value, MultiValue | list) or len(value) != length:
        raise HeaderError(f"an image to refer to must state {keyword} as {length} numbers, got {value or 'none'}", path)
    return tuple(map(float, value))


def _thickness_mm(groups: Sequence[Dataset]) -> float:
    """SliceThickness, or 0 if it is missing or invalid."""
    value = next((group.SliceThickness for group in groups if "SliceThickness" in group), None)
    thickness_mm = float(value) if value not in (None, "") else 0.0
    return thickness_mm if math.isfinite(thickness_mm) and thickness_mm > 0 else 0.0


def _with_thickness(frame: FrameHeader, step_mm: float) -> FrameHeader:
    return frame if frame.slice_thickness_mm > 0 else replace(frame, slice_thickness_mm=step_mm)


def _series_number(header: Dataset) -> int:
    try:
        number = int(header.get("SeriesNumber") or 0)
    except (TypeError, ValueError):
        return 0
    return number if 0 <= number <= _MAX_SERIES_NUMBER else 0
