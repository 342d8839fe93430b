"""A file unlike the others, and a header that contradicts itself, are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.cine import read_cine
from pipeline.read.dicom.consistency import doubt_beats, doubt_negatives, doubt_rate, doubt_signs, doubt_steps
from pipeline.read.dicom.series import read_dicom_cine


def steps(*columns: Sequence[float]) -> tuple[str, ...]:
    return doubt_steps(columns, clock="TriggerTime", positions=[8.0 * z for z in range(len(columns))])


@pytest.mark.parametrize("column", [(0, 30, 60, 90), (0, 12, 42, 72, 102), (0, 30, 60, 108), (5,), (5, 30), ()])
def test_even_steps_and_too_few_are_not_doubted(column: Sequence[float]) -> None:
    assert steps(column, column) == ()


def test_a_phase_that_is_missing_everywhere() -> None:
    (told,) = steps((0, 30, 60, 120, 150), (0, 30, 60, 120, 150))
    assert told == (
        "TriggerTime goes in steps of 1 to 2 times the usual one in every slice: "
        "a phase may be missing or out of its place"
    )


def test_a_time_that_is_wrong_in_one_slice() -> None:
    (told,) = steps((0, 30, 60, 90), (0, 30, 60, 90), (0, 3, 60, 90))
    assert told == (
        "TriggerTime goes in steps of 0.1 to 1.9 times the usual one in the slice at 16.0 mm: "
        "its phases may be out of order"
    )
    (told,) = steps((0, 30, 60, 90), *4 * [(0, 3, 60, 90)])
    assert "in the slice at 8.0, 16.0, 24.0 ... mm" in told


def test_a_slice_of_another_beat() -> None:
    usual, positions = (10, 100, 190), [0.0, 8.0, 16.0]
    assert doubt_beats([usual, usual, (10, 55, 100)], positions=positions) == ()
    assert doubt_beats([(5,), (5,), (5,)], positions=positions) == ()
    (told,) = doubt_beats([usual, (1, 10, 19), usual], positions=positions)
    assert told == "the phases of the slice at 8.0 mm cover 18 ms, those of most 180 ms: the mean times may be wrong"
    assert "cover 361 ms" in doubt_beats([usual, usual, (10, 200, 371)], positions=positions)[0]


def test_phases_before_the_r_wave() -> None:
    assert doubt_signs([(-2.5, 30, 60)], positions=[0]) == ()  # the first picture often lies a little before it
    assert doubt_signs([(0,), (0,)], positions=[0, 8]) == ()
    assert doubt_signs([(-60, -30, 0)], positions=[0]) == (
        "the trigger times go from -60 to 0 ms, most before the R wave: the phases may run backwards",
    )


def test_phases_of_one_slice_before_the_r_wave() -> None:
    assert doubt_signs([(0, 30, 60), (-60, -30, 0), (0, 30, 60)], positions=[0, 8, 16]) == (
        "the trigger times in the slice at 8.0 mm go from -60 to 0 ms, most before the R wave: "
        "the phases may run backwards",
    )


def test_times_and_heart_rate_that_contradict_each_other() -> None:
    times_ms = [100.0 * t for t in range(9)]  # a beat of 900 ms
    assert doubt_rate(times_ms, 66.0) == ()
    assert doubt_rate(None, 66.0) == () == doubt_rate(times_ms, None)
    assert doubt_rate(times_ms[:8], 200.0) == ()  # so few may be an excerpt
    (told,) = doubt_rate(times_ms, 200.0)
    assert told == (
        "the times of the phases give a beat of 900 ms, the heart rate of 200 a minute one of 300 ms: "
        "one of them is wrong"
    )
    assert doubt_rate(times_ms, 33.0) != ()  # a beat of 1818 ms, of which the times cover less than half


def test_negative_magnitudes() -> None:
    array = np.zeros((1, 10, 10, 1), np.int16)
    array[0, :5, 0] = -1
    assert doubt_negatives(array) == ()  # 5 %, as interpolation makes them
    array[0, 5, 0] = -1
    assert doubt_negatives(array) == ("6% of the values are negative, which magnitudes are not",)
    assert doubt_negatives(array.astype(np.uint16)) == ()


@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ({"RescaleSlope": 2}, "the rescale slope and intercept is another in 6.dcm than in most"),
        ({"RescaleIntercept": -1000}, "the rescale slope and intercept is another in 6.dcm than in most"),
        ({"PixelRepresentation": 0}, "the form of pixel data is another in 6.dcm than in most"),
        ({"BitsStored": 12, "HighBit": 11}, "the form of pixel data is another in 6.dcm than in most"),
        ({"BitsStored": 12}, "HighBit and BitsStored contradict each other in 6.dcm: all bits up to both are read"),
    ],
)
def test_one_file_whose_pixels_become_numbers_differently(study, elements, told: str) -> None:
    study.cine()
    study.image(1, 1, name="6.dcm", **elements)
    assert [note for note in read_dicom_cine(study.folder).notes if told in note]


@pytest.mark.parametrize("slope", ["0", "-1", "abc", "1e999"])
def test_slopes_that_make_no_picture_are_refused(study, slope: str) -> None:
    study.cine(RescaleSlope="1")
    for path in study.written:
        path.write_bytes(path.read_bytes().replace(b"DS\x02\x001 ", b"DS" + _long(slope)))
    with pytest.raises(UnreadableError, match="RescaleSlope must be a number above 0, got '" + slope):
        read_dicom_cine(study.folder)


def _long(value: str) -> bytes:
    content = value.encode() + b" " * (len(value) % 2)
    return len(content).to_bytes(2, "little") + content


def test_bits_above_those_stored_are_told(study) -> None:
    study.cine(n_slices=3, BitsStored=11, HighBit=10, pixels=np.full((5, 4), 0x0BFF, np.uint16))
    cine = read_cine(study.folder)
    assert cine.array.max() == 0x03FF
    assert any("bits above BitsStored are left out of the pixels of 12 files" in note for note in cine.notes)


def test_the_sign_is_no_spare_bit(study) -> None:
    study.cine(BitsStored=12, HighBit=11, pixels=np.array([[-1, 5, 6, 7]], np.int16))
    cine = read_cine(study.folder)
    assert cine.array.min() == -1
    assert not any("bits above" in note for note in cine.notes)


def test_a_thickness_that_no_stack_of_this_step_has(study) -> None:
    study.cine(SliceThickness=0.6)
    (told,) = read_dicom_cine(study.folder).notes
    assert told == "SliceThickness says 0.6 mm, the slices are 8.00 mm apart: one of them is wrong"


def test_a_stray_trigger_time_orders_no_phases(study) -> None:
    study.cine(TriggerTime=lambda t, z: 65535.0 if (t, z) == (2, 1) else 100.0 * t)
    cine = read_dicom_cine(study.folder)
    assert [float(cine.array[t, 0, 0, 1]) for t in range(4)] == [100.0, 1100.0, 2100.0, 3100.0]
    assert any("65535 ms in 1 of 12 frames" in note for note in cine.notes)


def test_more_frames_than_any_cine_has_are_refused(study) -> None:
    study.image(0, 0, NumberOfFrames=2**31 - 1)
    with pytest.raises(UnreadableError, match="65536 frames or fewer, NumberOfFrames says 2147483647"):
        read_dicom_cine(study.folder)
