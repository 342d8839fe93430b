"""Clocks: the first usable one orders the phases, and a bogus one is told."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import LatticeError
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.series import read_dicom_cine
from pipeline.read.dicom.timing import choose_clock


def _frame(**facts: Any) -> Frame:
    return Frame(
        path=Path("one.dcm"),
        frame_number=facts.pop("frame_number", 1),
        sop_instance_uid="1.2.3.4",
        series_uid="1.2.3",
        study_uid="1.2",
        position=(0.0, 0.0, 0.0),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing=(1.0, 1.0),
        rows=4,
        columns=4,
        **facts,
    )


def _slice(triggers: Sequence[float | None], *, numbers: Sequence[int | None] | None = None) -> list[Frame]:
    """Frames with these trigger times, and these InstanceNumbers or such as count up from 1."""
    numbers = numbers or range(1, len(triggers) + 1)
    return [
        _frame(trigger_ms=trigger, instance_number=number) for trigger, number in zip(triggers, numbers, strict=True)
    ]


def _rotated(n_phases: int, start: int, *, step_ms: float = 40.0) -> list[float]:
    """Trigger times that fall back to the cycle's start once."""
    return [step_ms * ((t + start) % n_phases) for t in range(n_phases)]


def _backwards(t, z):
    return 100 * z + 10 - t


@pytest.mark.parametrize(
    ("trigger", "fault"),
    [
        (None, "missing;"),
        (0.0, "constant"),
        (lambda t, z: None if (t, z) == (1, 1) else 40.0 * t, "missing in 1 of 24 frames"),
        (lambda t: 40.0 * (t // 2), "the same for several phases"),
    ],
)
def test_bogus_trigger_time_gives_way_to_instance_number(study, expected_array, trigger, fault):
    study.cine(8, 3, TriggerTime=trigger)
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(8, 3))
    assert cine.times_ms is None
    assert fault in cine.notes[0]
    assert "InstanceNumber" in cine.notes[0]


def test_temporal_position_goes_before_instance_number(study, expected_array):
    study.cine(TriggerTime=None, TemporalPositionIdentifier=lambda t: t + 1, InstanceNumber=_backwards)
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(4, 3))


def test_instance_number_orders_where_nothing_else_does(study, expected_array):
    study.cine(TriggerTime=None, InstanceNumber=_backwards)
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(4, 3)[::-1])


def test_trigger_time_goes_before_instance_number_in_any_order(study, expected_array):
    study.cine(6, 3, InstanceNumber=lambda t, z: (5 * t + z) % 7)
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(6, 3))
    assert cine.times_ms == (5.0, 105.0, 205.0, 305.0, 405.0, 505.0)


def test_series_a_phase_without_clock_goes_by_series_number(study, expected_array):
    study.cine(
        TriggerTime=None,
        CardiacNumberOfImages=4,
        SeriesInstanceUID=lambda t: f"1.2.3.{9 - t}",
        SeriesNumber=lambda t: 10 + t,
        InstanceNumber=lambda z: z + 1,
    )
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(4, 3))


def test_two_static_volumes_without_clock_are_not_made_a_cine(study):
    study.cine(2, 3, TriggerTime=None, SeriesInstanceUID=lambda t: f"1.2.3.{t + 1}")
    with pytest.raises(LatticeError, match="2 that fit alike"):
        read_dicom_cine(study.folder)


def test_phases_match_by_rank_across_slices(study, expected_array):
    study.cine(4, 3, TriggerTime=lambda t, z: (40.0 + 3.0 * z) * t)
    np.testing.assert_array_equal(read_dicom_cine(study.folder).array, expected_array(4, 3))


def test_missing_temporal_position_is_named(study):
    study.cine(5, 3, skip=[(2, 1)], TriggerTime=None, TemporalPositionIdentifier=lambda t: t + 1)
    with pytest.raises(LatticeError, match=r"got 4 at 18\.0 mm.*missing: phase 3;"):
        read_dicom_cine(study.folder)


def test_slices_that_lack_different_phases_are_refused(study):
    skip = [(1, 0), (2, 1), (3, 2)]
    study.cine(5, 3, skip=skip, TriggerTime=None, TemporalPositionIdentifier=lambda t: t + 1)
    with pytest.raises(LatticeError, match="missing: phase 2"):
        read_dicom_cine(study.folder)


def test_frames_without_any_clock_are_refused(study):
    study.cine(TriggerTime=None, InstanceNumber=None)
    with pytest.raises(LatticeError, match="one picture"):
        read_dicom_cine(study.folder)


RISING = [0.0, 100.0, 200.0, 300.0]
COUNTED_ON = ("the trigger time falls back amid a slice: what follows is counted on, as of the next beat",)


@pytest.mark.parametrize(
    ("triggers", "unwrapped"),
    [
        (RISING, None),
        ([100.0, 200.0, 300.0, 0.0], [100.0, 200.0, 300.0, 400.0]),
        ([300.0, 0.0, 100.0, 200.0], [300.0, 400.0, 500.0, 600.0]),
        ([0.0, 0.2, 0.4, 0.6], None),  # in seconds
        ([80.0, 0.0, 40.0], None),  # of three, no order is told
        ([40.0, 0.0, 120.0, 80.0], None),  # two falls of four: numbered without regard to time
        ([120.0, 80.0, 40.0, 0.0], None),  # numbered backwards
        ([0.0, 80.0, 40.0, 120.0, 100.0, 160.0, 200.0], None),  # two falls of seven
        # prospective gating runs on into the next beat, 20 ms after whose R wave it goes on
        ([0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 20.0, 120.0], [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0]),
    ],
)
def test_a_clock_that_starts_again_is_counted_on(triggers: list[float], unwrapped: list[float] | None) -> None:
    frames = _slice(triggers)
    clock, notes = choose_clock([frames])
    assert clock.name == "the trigger time"
    assert clock.in_ms
    assert [clock.key(frame) for frame in frames] == [(ms,) for ms in unwrapped or triggers]
    assert notes == (COUNTED_ON if unwrapped else ())


def test_the_headers_rate_says_how_long_the_beat_is() -> None:
    triggers = [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 20.0, 120.0]
    frames = [replace(frame, heart_rate_bpm=60000.0 / 610.0) for frame in _slice(triggers)]
    clock, _ = choose_clock([frames])
    assert [round(clock.key(frame)[0], 6) for frame in frames][-2:] == [630.0, 730.0]
    wrong = [replace(frame, heart_rate_bpm=60.0) for frame in _slice(triggers)]  # 1000 ms would leave a gap of 520 ms
    clock, _ = choose_clock([wrong])
    assert [clock.key(frame)[0] for frame in wrong][-2:] == [600.0, 700.0]


def test_an_unwrapped_cine_keeps_its_order_and_its_times(study, expected_array) -> None:
    study.cine(8, 3, TriggerTime=lambda t: (100.0 * t + 200.0) % 800.0)
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(8, 3))
    assert cine.times_ms == tuple(200.0 + 100.0 * t for t in range(8))
    assert "counted on" in cine.notes[0]


def test_slices_recorded_from_different_phases_are_ordered_by_time(study, expected_array) -> None:
    """Each slice is a whole beat from another start: the times stand, and phases of one time lie side by side."""
    study.cine(8, 3, TriggerTime=lambda t, z: 100.0 * ((t + 2 * z) % 8))
    cine = read_dicom_cine(study.folder)
    assert cine.times_ms == tuple(100.0 * t for t in range(8))
    expected = np.stack([np.roll(expected_array(8, 3)[..., z], 2 * z, axis=0) for z in range(3)], axis=-1)
    np.testing.assert_array_equal(cine.array, expected)


@given(st.integers(4, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_a_cycle_recorded_from_its_middle_rises_after_unwrapping(cycle: tuple[int, int]) -> None:
    n_phases, start = cycle
    frames = _slice(_rotated(n_phases, start))
    clock, notes = choose_clock([frames])
    times = [clock.key(frame)[0] for frame in frames]
    assert len(notes) == (start > 0)
    np.testing.assert_allclose(np.diff(times), 40.0)


def test_the_order_of_files_does_not_matter() -> None:
    frames = _slice(_rotated(6, 2))
    expected = [choose_clock([frames])[0].key(frame) for frame in frames]
    for order in (frames[::-1], frames[3:] + frames[:3]):
        clock, notes = choose_clock([order])
        assert [clock.key(frame) for frame in frames] == expected
        assert len(notes) == 1


def test_a_few_phases_may_be_a_part_of_a_beat_as_in_other_formats(study) -> None:
    study.cine(4, 3, TriggerTime=lambda t: 40.0 * t)
    assert read_dicom_cine(study.folder).times_ms == (0.0, 40.0, 80.0, 120.0)


def test_a_beat_that_no_heart_has_gives_no_times(study, expected_array) -> None:
    study.cine(8, 3, TriggerTime=lambda t: 3.0 * t)  # the repetition time instead of the phase's
    cine = read_dicom_cine(study.folder)
    np.testing.assert_array_equal(cine.array, expected_array(8, 3))
    assert cine.times_ms is None
    assert "a beat of 24 ms, which no heart has" in cine.notes[0]


@pytest.mark.parametrize("numbers", [[7, 7, 7, 7], [None] * 4, [0, 0, 1, 1], [None, 1, 2, 3]])
def test_without_a_number_for_each_frame_nobody_knows_that_it_wrapped(numbers: list[int | None]) -> None:
    clock, notes = choose_clock([_slice(_rotated(4, 2), numbers=numbers)])
    assert (clock.name, notes) == ("the trigger time", ())


def test_frames_of_one_file_are_numbered_within_it() -> None:
    frames = [
        _frame(trigger_ms=trigger, instance_number=1, frame_number=t + 1) for t, trigger in enumerate(_rotated(4, 2))
    ]
    clock, notes = choose_clock([frames])
    assert len(notes) == 1
    assert [clock.key(frame) for frame in frames] == [(80.0,), (120.0,), (160.0,), (200.0,)]


def test_a_repeat_of_a_time_counts_where_it_came_first() -> None:
    """Five times, one of them taken again at the end: no fall back to the start."""
    clock, _ = choose_clock([_slice([0.0, 40.0, 80.0, 120.0, 160.0, 40.0])])
    assert clock.name == "the trigger time"


@pytest.mark.parametrize(
    ("slices", "fault"),
    [
        ([[None] * 4, [None] * 4], "missing"),
        ([[0.0, None, 80.0, 120.0], RISING], "missing in 1 of 8 frames"),
        ([[5.0] * 4, [5.0] * 4], "constant"),
        ([[5.0] * 4, [9.0] * 4], "constant"),  # one time a slice
        ([[0.0, 0.0, 40.0, 40.0]], "the same for several phases"),  # half as many times as frames
        ([[0.0, 0.0, 40.0, 80.0]], None),
        ([[5.0, 5.0]], "constant"),
    ],
)
def test_a_clock_needs_more_times_than_half_its_frames(slices: list[list[float | None]], fault: str | None) -> None:
    clock, notes = choose_clock([_slice(triggers) for triggers in slices])
    if fault is None:
        assert (clock.name, notes) == ("the trigger time", ())
    else:
        told = f"the trigger time is not usable: {fault}; phases are ordered by InstanceNumber"
        assert (clock.name, notes) == ("InstanceNumber", (told,))


@pytest.mark.parametrize(
    ("element", "name", "counts", "in_ms", "key"),
    [
        ("trigger_ms", "the trigger time", False, True, (2,)),
        ("temporal_index", "the temporal position", True, False, (2,)),
        ("instance_number", "InstanceNumber", False, False, (2, 1)),
        ("series_number", "SeriesNumber", False, False, (2,)),
    ],
)
def test_each_clock_reads_its_element(element: str, name: str, counts: bool, in_ms: bool, key: tuple[int, ...]) -> None:
    frames = [_frame(**{element: number}) for number in (1, 2, 3, 4)]
    clock, notes = choose_clock([frames])
    assert (clock.name, clock.counts, clock.in_ms) == (name, counts, in_ms)
    assert clock.key(frames[1]) == key
    assert clock.key(_frame()) is None
    assert bool(notes) is (element != "trigger_ms")


def test_a_temporal_position_that_falls_is_believed() -> None:
    """It counts phases, and nobody says that it is written in the order of time."""
    frames = [_frame(temporal_index=index, instance_number=t) for t, index in enumerate([3, 4, 1, 2])]
    assert choose_clock([frames])[0].name == "the temporal position"


def test_where_no_clock_moves_one_stands_still() -> None:
    frames = [_frame(trigger_ms=5.0, instance_number=1), _frame(trigger_ms=5.0, instance_number=1)]
    clock, notes = choose_clock([frames])
    assert (clock.name, notes) == ("nothing: all frames of a slice count as repeats", ())
    assert (clock.counts, clock.in_ms) == (False, False)
    assert clock.key(frames[0]) == clock.key(frames[1]) == clock.key(_frame())
    assert clock.key(frames[0]) is not None


def test_one_phase_has_its_trigger_time_where_every_slice_has_it() -> None:
    clock, notes = choose_clock([_slice([50.0]), _slice([50.0])])
    assert (clock.name, notes) == ("the trigger time", ())
    clock, notes = choose_clock([_slice([50.0]), _slice([None])])
    assert (clock.name[:7], notes) == ("nothing", ())
    clock, _ = choose_clock([_slice([50.0]), _slice([50.0, 90.0])])  # two phases of a slice
    assert clock.name == "the trigger time"
    clock, _ = choose_clock([_slice([None]), _slice([None, None])])
    assert clock.name == "InstanceNumber"
