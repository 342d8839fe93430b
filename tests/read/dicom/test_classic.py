"""Classic headers to frames: every element to its attribute, and what holds where an element is absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from pipeline.read.dicom.classic import (
    acquisition_time,
    classic_frames,
    ge_component,
    heart_rate_bpm,
    name_sequence,
)
from pipeline.read.dicom.frames import Frame, Technique
from pipeline.read.dicom.kinds import Kind

from .test_frames import FRAME as BARE_FRAME

EVERY: dict[str, Any] = {
    "SOPInstanceUID": "1.2.3.4",
    "SeriesInstanceUID": "1.2.3",
    "StudyInstanceUID": "1.2",
    "ImageType": ["DERIVED", "PRIMARY", "M", "DIS2D"],
    "SeriesNumber": 5,
    "AcquisitionNumber": 6,
    "InstanceNumber": 7,
    "AcquisitionDate": "20200102",
    "AcquisitionTime": "030405",
    "TriggerTime": "12.5",
    "NominalCardiacTriggerDelayTime": 99.0,
    "TemporalPositionIdentifier": 8,
    "CardiacNumberOfImages": 30,
    "HeartRate": 62,
    "ImagePositionPatient": [1.0, 2.0, 3.0],
    "ImageOrientationPatient": [0.8, 0.6, 0.0, 0.0, 0.0, -1.0],
    "PixelSpacing": [2.0, 1.5],
    "SliceThickness": 6.0,
    "SpacingBetweenSlices": 9.0,
    "RescaleSlope": 2.0,
    "RescaleIntercept": -4.0,
    "EchoTime": 1.25,
    "RepetitionTime": 38.5,
    "InversionTime": 300.0,
    "DiffusionBValue": 50.0,
    "ScanningSequence": "GR",
    "SequenceVariant": ["SK", "SP"],
    "SequenceName": "*tfi2d1_15",
    "SeriesDescription": "cine sax",
    "ProtocolName": "protocol",
}
FRAME = replace(
    BARE_FRAME,
    position=(1.0, 2.0, 3.0),
    rows=5,
    columns=4,
    trigger_ms=12.5,
    temporal_index=8,
    instance_number=7,
    series_number=5,
    acquisition_number=6,
    acquired_at="20200102030405",
    kind=Kind("magnitude", is_derived=True, correction="DIS2D"),
    rescale_slope=2.0,
    rescale_intercept=-4.0,
    slice_spacing_mm=9.0,
    slice_thickness_mm=6.0,
    heart_rate_bpm=62.0,
    cardiac_images=30,
)
"""What `EVERY` makes; UIDs, plane and path are those of the bare frame."""
TECHNIQUE = Technique(
    echo_ms=1.25,
    repetition_ms=38.5,
    inversion_ms=300.0,
    b_value=50.0,
    velocity=None,
    sequence="GR SK SP *tfid_",
    description="cine sax",
)


def _header(study, **changes: Any) -> pydicom.FileDataset:
    """The header of a file with `EVERY` element but those that are changed; `None` leaves one out."""
    return pydicom.dcmread(study.image(0, 0, pixels=np.zeros((5, 4), np.int16), **(EVERY | changes)))


def _frame(study, **changes: Any) -> Frame:
    (frame,) = classic_frames(_header(study, **changes), Path("one.dcm"))
    return frame


def test_every_element_has_its_attribute(study) -> None:
    frame = _frame(study)
    assert frame == FRAME
    assert frame.technique == TECHNIQUE


def test_what_is_absent_is_unknown_and_values_are_as_stored(study) -> None:
    needed = {"SOPInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"}
    frame = _frame(study, **dict.fromkeys(EVERY.keys() - needed))
    kept = {name: getattr(FRAME, name) for name in ("sop_instance_uid", "position", "orientation", "pixel_spacing")}
    assert frame == Frame(path=Path("one.dcm"), frame_number=1, series_uid="", study_uid="", rows=5, columns=4, **kept)
    assert frame.technique == Technique()


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"TriggerTime": None}, {"trigger_ms": 99.0}),
        ({"TriggerTime": "0"}, {"trigger_ms": 0.0}),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"kind": Kind()}),
        ({"ComplexImageComponent": "PHASE"}, {"kind": Kind("phase", is_derived=True, correction="DIS2D")}),
        ({"private": (0x0043102F, "SS", 2)}, {"kind": Kind("real", is_derived=True, correction="DIS2D")}),
        ({"HeartRate": None, "NominalInterval": 800}, {"heart_rate_bpm": 75.0}),
    ],
)
def test_what_stands_in_for_another(study, changes: dict[str, Any], differs: dict[str, Any]) -> None:
    assert _frame(study, **changes) == replace(FRAME, **differs)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"SeriesDescription": None}, {"description": "protocol"}),
        ({"VelocityEncodingDirection": [0.0, 0.0, 1.0]}, {"velocity": "0.0 0.0 1.0"}),
    ],
)
def test_a_technique_that_differs(study, changes: dict[str, Any], differs: dict[str, Any]) -> None:
    assert _frame(study, **changes).technique == replace(TECHNIQUE, **differs)


@pytest.mark.parametrize(
    ("elements", "times"),
    [
        ({"FrameTime": 40.0}, [0.0, 40.0, 80.0]),
        ({"FrameTimeVector": [0.0, 30.0, 50.0], "FrameTime": 40.0}, [0.0, 30.0, 80.0]),
        ({"FrameTimeVector": [0.0, 0.0, 0.0], "FrameTime": 40.0}, [0.0, 40.0, 80.0]),
        ({"FrameTimeVector": [0.0, -30.0, 50.0], "FrameTime": 40.0}, [0.0, 40.0, 80.0]),
        ({"FrameTimeVector": [0.0, 30.0], "FrameTime": 40.0}, [0.0, 40.0, 80.0]),
        ({"FrameTimeVector": [0.0, 30.0]}, [None, None, None]),
        ({"FrameTime": 0.0}, [None, None, None]),
        ({"FrameTime": -40.0}, [None, None, None]),
    ],
)
def test_frames_of_one_file_are_phases_at_the_times_it_states(
    study, elements: dict[str, Any], times: list[float | None]
) -> None:
    pixels = np.zeros((3, 5, 4), np.int16)
    path = study.image(0, 0, pixels=pixels, **(EVERY | {"NumberOfFrames": 3} | elements))
    frames = classic_frames(pydicom.dcmread(path), Path("one.dcm"))
    wanted = [
        replace(FRAME, frame_number=n, temporal_index=n, trigger_ms=time) for n, time in enumerate(times, start=1)
    ]
    assert list(frames) == wanted


def test_one_frame_that_is_counted_keeps_its_own_time(study) -> None:
    assert _frame(study, NumberOfFrames=1, FrameTime=40.0) == FRAME


def _elements(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize(
    ("elements", "when"),
    [
        ({}, ""),
        ({"AcquisitionDateTime": "20200102030405.5", "AcquisitionTime": "010101"}, "20200102030405.5"),
        ({"AcquisitionDate": "20200102", "AcquisitionTime": "010101"}, "20200102010101"),
        ({"AcquisitionTime": "010101", "SeriesTime": "020202"}, "010101"),
        ({"AcquisitionDate": "20200102", "SeriesDate": "20200103", "SeriesTime": "020202"}, "20200103020202"),
    ],
)
def test_a_frame_was_acquired_at_the_first_time_that_is_told(elements: dict[str, str], when: str) -> None:
    assert acquisition_time(_elements(**elements)) == when


@pytest.mark.parametrize(
    ("elements", "rate"),
    [
        ({}, None),
        ({"HeartRate": 0}, None),
        ({"HeartRate": 60, "NominalInterval": 500}, 60.0),
        ({"HeartRate": 0, "NominalInterval": 500}, 120.0),
        ({"NominalInterval": 0}, None),
        ({"NominalInterval": -500}, None),
    ],
)
def test_a_heart_rate_is_stated_or_from_the_interval(elements: dict[str, float], rate: float | None) -> None:
    assert heart_rate_bpm(_elements(**elements)) == rate


@pytest.mark.parametrize(
    ("vr", "value", "component"),
    [("SS", 1, 1), ("UN", b"\x02\x00", 2), ("UN", b"\x02", None), ("LO", "2", None)],
)
def test_ge_s_component_is_a_short_or_two_bytes(vr: str, value: Any, component: int | None) -> None:
    made = Dataset()
    made.add_new(0x0043102F, vr, value)
    assert ge_component(made) == component
    assert ge_component(Dataset()) is None


def test_a_sequence_s_name_has_no_digits() -> None:
    header = _elements(ScanningSequence="GR", SequenceName="fl3d1", PulseSequenceName="trufi2")
    assert name_sequence(header) == "GR fld"
    assert name_sequence(header, ("PulseSequenceName",)) == "trufi"
