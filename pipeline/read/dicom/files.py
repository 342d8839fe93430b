"""DICOM files to `Frame`s: which files count, and what classic single-frame headers say."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import FileDataset

from pipeline.core.errors import UnreadableError
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.enhanced import ENHANCED_TAGS, enhanced_frames
from pipeline.read.dicom.frames import Frame, variant_of
from pipeline.read.dicom.headers import (
    CLASSIC_MR,
    ENHANCED_MR,
    PARSE_ERRORS,
    Header,
    count_of,
    integer,
    number,
    plane_of,
    read_header,
    sop_class,
    text,
    words,
)
from pipeline.read.dicom.pixels import PIXEL_FORMAT_TAGS, native_form

__all__ = ["HEADER_TAGS", "classic_frame", "read_frames"]

HEADER_TAGS = (
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "TemporalPositionIdentifier",
    "CardiacNumberOfImages",
    "HeartRate",
    "NominalInterval",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    *PIXEL_FORMAT_TAGS,
    "RescaleSlope",
    "RescaleIntercept",
    *ENHANCED_TAGS,
)
"""Elements read from every file; all else is skipped, which keeps a study's headers to a fraction of a second."""

_LOGGER = logging.getLogger(__name__)


def read_frames(files: Iterable[Path]) -> list[Frame]:
    """Header facts of every MR image among some files; reads no pixels.

    Files that are not DICOM, and DICOM objects that are no greyscale MR image (DICOMDIR, structured reports,
    segmentations, screenshots), are left out with a log line. No files give an empty list.

    Raises:
        UnreadableError: a DICOM file that does not parse, or an MR image cut short within its header.
        HeaderError: an MR image without position, orientation or pixel spacing.
    """
    frames: list[Frame] = []
    with quiet_dicom():
        for path in files:
            header = read_header(path, tags=HEADER_TAGS)
            if header is None:
                _LOGGER.debug("left out %s: not DICOM", path)
                continue
            try:
                frames.extend(_frames_of(header, path))
            except PARSE_ERRORS as error:  # values are converted when first looked at
                raise UnreadableError(
                    f"a DICOM header must parse, got {type(error).__name__}: {error}", path
                ) from error
    return frames


def _frames_of(header: Header, path: Path) -> tuple[Frame, ...]:
    elements = header.elements
    kind = sop_class(elements)
    if not kind:
        raise UnreadableError("a DICOM file must state its SOPClassUID, got none: it is cut short or no DICOM", path)
    if kind not in CLASSIC_MR | ENHANCED_MR:
        _LOGGER.info("left out %s: no MR image (SOP class %s)", path, kind)
        return ()
    if (integer(elements, "SamplesPerPixel") or 1) != 1:
        _LOGGER.info("left out %s: a colour picture", path)
        return ()
    frames = enhanced_frames(elements, path) if kind in ENHANCED_MR else (classic_frame(elements, path),)
    native = native_form(header)
    return frames if native is None else tuple(replace(frame, native=native) for frame in frames)


def classic_frame(header: FileDataset, path: Path) -> Frame:
    """The `Frame` of a single-frame MR file (PS3.3 A.4).

    Args:
        header: header with the elements of `HEADER_TAGS`.
        path: the file, for messages and for reading pixels later.

    Raises:
        UnreadableError: Rows or Columns is missing: the file is cut short or no image.
        HeaderError: position, orientation or pixel spacing is missing or nonsense.
    """
    rows, columns = count_of(header, "Rows", path=path), count_of(header, "Columns", path=path)
    position, orientation, spacing = plane_of(header, header, header, path=path)
    trigger_ms = number(header, "TriggerTime")
    slope = number(header, "RescaleSlope")
    return Frame(
        path=path,
        frame_number=1,
        sop_instance_uid=text(header, "SOPInstanceUID") or "",
        series_uid=text(header, "SeriesInstanceUID") or "",
        study_uid=text(header, "StudyInstanceUID") or "",
        position=position,
        orientation=orientation,
        pixel_spacing=spacing,
        rows=rows,
        columns=columns,
        trigger_ms=number(header, "NominalCardiacTriggerDelayTime") if trigger_ms is None else trigger_ms,
        temporal_index=integer(header, "TemporalPositionIdentifier"),
        instance_number=integer(header, "InstanceNumber"),
        series_number=integer(header, "SeriesNumber"),
        variant=variant_of(words(header, "ImageType")),
        rescale_slope=1.0 if slope is None else slope,
        rescale_intercept=number(header, "RescaleIntercept") or 0.0,
        slice_spacing_mm=number(header, "SpacingBetweenSlices"),
        slice_thickness_mm=number(header, "SliceThickness"),
        heart_rate_bpm=_heart_rate_bpm(header),
        cardiac_images=integer(header, "CardiacNumberOfImages"),
    )


def _heart_rate_bpm(header: FileDataset) -> float | None:
    rate = number(header, "HeartRate") or 0.0
    interval_ms = number(header, "NominalInterval") or 0.0
    if rate > 0:
        return rate
    return 60000.0 / interval_ms if interval_ms > 0 else None
