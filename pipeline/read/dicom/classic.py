"""Classic MR images (PS3.3 A.4) to `Frame`s: one a file, or several where a converter packed a slice's phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset

from pipeline.read.dicom.frames import Frame, Technique
from pipeline.read.dicom.headers import count_of, factor, integer, number, numbers, plane_of, text, words
from pipeline.read.dicom.kinds import kind_of

__all__ = ["CLASSIC_TAGS", "acquisition_time", "classic_frames", "ge_component", "heart_rate_bpm", "name_sequence"]

GE_COMPONENT = 0x0043102F
"""GE's private element that says magnitude 0, phase 1, real 2 or imaginary 3."""

CLASSIC_TAGS = (
    "ImageType",
    "ComplexImageComponent",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "SeriesDate",
    "SeriesTime",
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
    "RescaleSlope",
    "RescaleIntercept",
    "NumberOfFrames",
    "FrameTime",
    "FrameTimeVector",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "DiffusionBValue",
    "VelocityEncodingDirection",
    "ScanningSequence",
    "SequenceVariant",
    "SequenceName",
    "SeriesDescription",
    "ProtocolName",
    GE_COMPONENT,
)
"""Elements that a classic image's frames are made from."""


def classic_frames(header: FileDataset, path: Path) -> tuple[Frame, ...]:
    """The `Frame` of a single-frame file; or those of a file that holds several frames of its one plane.

    The class has one frame by the standard, but converters write several. They are phases in the file's order, at the
    times of FrameTime or FrameTimeVector where it has one of them.

    Args:
        header: header with the elements of `CLASSIC_TAGS`.
        path: the file, for messages and for reading pixels later.

    Raises:
        UnreadableError: Rows or Columns is missing: the file is cut short or no image.
        HeaderError: position, orientation or pixel spacing is missing or nonsense.
    """
    frame = _first_frame(header, path)
    n_frames = integer(header, "NumberOfFrames") or 1
    if n_frames <= 1:
        return (frame,)
    times = _frame_times_ms(header, n_frames)
    return tuple(
        replace(
            frame, frame_number=index + 1, temporal_index=index + 1, trigger_ms=None if times is None else times[index]
        )
        for index in range(n_frames)
    )


def _first_frame(header: FileDataset, path: Path) -> Frame:
    rows, columns = count_of(header, "Rows", path=path), count_of(header, "Columns", path=path)
    position, orientation, spacing = plane_of(header, header, header, path=path)
    trigger_ms = number(header, "TriggerTime")
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
        acquisition_number=integer(header, "AcquisitionNumber"),
        acquired_at=acquisition_time(header),
        kind=kind_of(
            words(header, "ImageType"),
            component=text(header, "ComplexImageComponent"),
            ge_component=ge_component(header),
        ),
        technique=Technique(
            echo_ms=number(header, "EchoTime"),
            repetition_ms=number(header, "RepetitionTime"),
            inversion_ms=number(header, "InversionTime"),
            b_value=number(header, "DiffusionBValue"),
            velocity=" ".join(words(header, "VelocityEncodingDirection")) or None,
            sequence=name_sequence(header),
            description=text(header, "SeriesDescription") or text(header, "ProtocolName") or "",
        ),
        rescale_slope=factor(header, "RescaleSlope", default=1.0, is_slope=True),
        rescale_intercept=factor(header, "RescaleIntercept", default=0.0),
        slice_spacing_mm=number(header, "SpacingBetweenSlices"),
        slice_thickness_mm=number(header, "SliceThickness"),
        heart_rate_bpm=heart_rate_bpm(header),
        cardiac_images=integer(header, "CardiacNumberOfImages"),
    )


def _frame_times_ms(header: Dataset, n_frames: int) -> list[float] | None:
    """Times of the frames of one file (PS3.3 C.7.6.5.1.1): a vector of steps, the first 0, or one step for all."""
    steps, step = numbers(header, "FrameTimeVector"), number(header, "FrameTime")
    if len(steps) == n_frames and any(steps) and min(steps) >= 0:
        return list(accumulate(steps))
    return [step * index for index in range(n_frames)] if step and step > 0 else None


def acquisition_time(header: Dataset) -> str:
    """When the frame, else its series, was acquired, as text that sorts; empty where nothing tells."""
    whole = text(header, "AcquisitionDateTime")
    if whole:
        return whole
    for date, time in (("AcquisitionDate", "AcquisitionTime"), ("SeriesDate", "SeriesTime")):
        told = text(header, time)
        if told:
            return (text(header, date) or "") + told
    return ""


def ge_component(header: Dataset) -> int | None:
    """Value of `GE_COMPONENT`, stored as a short, or as two unknown bytes; `None` where absent."""
    element = header.get_item(GE_COMPONENT)  # as it lies in the file: conversion costs as much as ten other elements
    value: object = None if element is None else element.value
    if isinstance(value, bytes) and len(value) == 2:
        little = not isinstance(element, RawDataElement) or element.is_little_endian
        return int.from_bytes(value, "little" if little else "big")
    return value if isinstance(value, int) else None


def heart_rate_bpm(header: Dataset) -> float | None:
    """HeartRate, else from NominalInterval; `None` where neither is above 0."""
    rate = number(header, "HeartRate") or 0.0
    interval_ms = number(header, "NominalInterval") or 0.0
    if rate > 0:
        return rate
    return 60000.0 / interval_ms if interval_ms > 0 else None


def name_sequence(
    header: Dataset, names: Sequence[str] = ("ScanningSequence", "SequenceVariant", "SequenceName")
) -> str:
    """Name of the pulse sequence without digits, which count segments and echoes and differ from slice to slice."""
    told = " ".join(word for name in names for word in words(header, name))
    return "".join(letter for letter in told if not letter.isdigit())
