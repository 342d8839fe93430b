"""Enhanced multi-frame MR: functional groups, shared and per frame, to `Frame`s (PS3.3 A.36.2, C.7.6.16)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import Tag

from pipeline.core.errors import UnreadableError
from pipeline.read.dicom.classic import acquisition_time, heart_rate_bpm, name_sequence
from pipeline.read.dicom.frames import Frame, Technique
from pipeline.read.dicom.groups import FunctionalGroups
from pipeline.read.dicom.headers import count_of, factor, integer, number, plane_of, text, words
from pipeline.read.dicom.kinds import kind_of

__all__ = ["ENHANCED_TAGS", "enhanced_frames"]

ENHANCED_TAGS = (
    "NumberOfFrames",
    "DimensionIndexSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "PulseSequenceName",
)
"""Elements that an enhanced file's frames need beyond those of a classic one."""

_TIME_POINTERS = {
    Tag("TemporalPositionIndex"),
    Tag("NominalCardiacTriggerDelayTime"),
    Tag("TemporalPositionTimeOffset"),
}


def enhanced_frames(header: FileDataset, path: Path) -> tuple[Frame, ...]:
    """One `Frame` for each frame of an enhanced MR file, in the file's order.

    Position, orientation and pixel measures come from the frame's own functional groups, else from the shared ones.
    The time is NominalCardiacTriggerDelayTime (0020,9153), or TriggerTime among the unassigned elements of a legacy
    converted image; the temporal index TemporalPositionIndex (0020,9128), else the DimensionIndexValues entry whose
    pointer is a time.

    Args:
        header: header with the elements of `dicom.HEADER_TAGS`.
        path: the file, for messages and for reading pixels later.

    Raises:
        UnreadableError: the functional groups are absent, or not as many as there are frames.
        HeaderError: a frame lacks position, orientation or pixel spacing.
    """
    n_frames = count_of(header, "NumberOfFrames", path=path)
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
    if len(per_frame) != n_frames:
        raise UnreadableError(
            f"an enhanced image of {n_frames} frames must have as many per-frame functional groups, "
            f"got {len(per_frame)}: the file is cut short",
            path,
        )
    return tuple(
        _frame(FunctionalGroups(own, shared[0]), header, index + 1, path) for index, own in enumerate(per_frame)
    )


def _frame(groups: FunctionalGroups, header: Dataset, frame_number: int, path: Path) -> Frame:
    measures = groups.macro("PixelMeasuresSequence")
    transformation = groups.macro("PixelValueTransformationSequence")
    content = groups.macro("FrameContentSequence")
    frame_type = groups.macro("MRImageFrameTypeSequence")
    position, orientation, spacing = plane_of(
        groups.macro("PlanePositionSequence"), groups.macro("PlaneOrientationSequence"), measures, path=path
    )
    return Frame(
        path=path,
        frame_number=frame_number,
        sop_instance_uid=text(header, "SOPInstanceUID") or "",
        series_uid=text(header, "SeriesInstanceUID") or "",
        study_uid=text(header, "StudyInstanceUID") or "",
        position=position,
        orientation=orientation,
        pixel_spacing=spacing,
        rows=count_of(header, "Rows", path=path),
        columns=count_of(header, "Columns", path=path),
        trigger_ms=_trigger_ms(groups),
        temporal_index=_temporal_index(content, header),
        instance_number=integer(header, "InstanceNumber"),
        series_number=integer(header, "SeriesNumber"),
        acquisition_number=integer(content, "FrameAcquisitionNumber"),
        acquired_at=text(content, "FrameAcquisitionDateTime") or acquisition_time(header),
        stack_id=text(content, "StackID"),
        kind=kind_of(
            words(frame_type, "FrameType") or words(header, "ImageType"),
            component=text(frame_type, "ComplexImageComponent") or text(header, "ComplexImageComponent"),
        ),
        technique=_technique(groups, header),
        rescale_slope=factor(transformation, "RescaleSlope", default=1.0, is_slope=True),
        rescale_intercept=factor(transformation, "RescaleIntercept", default=0.0),
        slice_spacing_mm=number(measures, "SpacingBetweenSlices") or number(header, "SpacingBetweenSlices"),
        slice_thickness_mm=number(measures, "SliceThickness"),
        heart_rate_bpm=_heart_rate_bpm(groups),
        cardiac_images=integer(header, "CardiacNumberOfImages"),
    )


def _trigger_ms(groups: FunctionalGroups) -> float | None:
    delay = number(groups.macro("CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime")
    return (
        _first_number(("TriggerTime", "NominalCardiacTriggerDelayTime"), groups.converted) if delay is None else delay
    )


def _heart_rate_bpm(groups: FunctionalGroups) -> float | None:
    interval_ms = number(groups.macro("CardiacSynchronizationSequence"), "RRIntervalTimeNominal") or 0.0
    if interval_ms > 0:
        return 60000.0 / interval_ms
    return next((rate for elements in groups.converted if (rate := heart_rate_bpm(elements))), None)


def _technique(groups: FunctionalGroups, header: Dataset) -> Technique:
    velocity = groups.macro("MRVelocityEncodingSequence")
    return Technique(
        echo_ms=_first_number(("EffectiveEchoTime", "EchoTime"), (groups.macro("MREchoSequence"), *groups.converted)),
        repetition_ms=_first_number(
            ("RepetitionTime",), (groups.macro("MRTimingAndRelatedParametersSequence"), *groups.converted)
        ),
        inversion_ms=_first_number(
            ("InversionTimes", "InversionTime"), (groups.macro("MRModifierSequence"), *groups.converted)
        ),
        b_value=_first_number(("DiffusionBValue",), (groups.macro("MRDiffusionSequence"), *groups.converted)),
        velocity=" ".join(words(velocity, "VelocityEncodingDirection")) or None,
        sequence=name_sequence(header, ("PulseSequenceName",)),
        description=text(header, "SeriesDescription") or text(header, "ProtocolName") or "",
    )


def _first_number(keywords: Sequence[str], places: Sequence[Dataset]) -> float | None:
    found = (number(place, keyword) for place in places for keyword in keywords)
    return next((value for value in found if value is not None), None)


def _temporal_index(content: Dataset, header: Dataset) -> int | None:
    stated = integer(content, "TemporalPositionIndex")
    if stated is not None:
        return stated
    values = content.get("DimensionIndexValues")
    pointers = [item.get("DimensionIndexPointer") for item in header.get("DimensionIndexSequence") or []]
    if values is None or isinstance(values, int) or len(values) != len(pointers):
        return None
    times = [int(value) for value, pointer in zip(values, pointers, strict=True) if pointer in _TIME_POINTERS]
    return times[0] if times else None
