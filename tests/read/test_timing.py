"""Clocks: the first usable one orders the phases, and a bogus one is told."""

import numpy as np
import pytest

from pipeline.core.errors import LatticeError
from pipeline.read.series import read_dicom_cine


def _backwards(t, z):
    return 100 * z + 10 - t


@pytest.mark.parametrize(
    ("trigger", "fault"),
    [
        (None, "missing;"),
        (0.0, "constant"),
        (lambda t, z: None if (t, z) == (1, 1) else 40.0 * t, "missing in 1 of 24 frames"),
        (lambda t: (40.0 * t + 80.0) % 320.0, "wrapped"),
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
    assert cine.times_ms == (5.0, 45.0, 85.0, 125.0, 165.0, 205.0)


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
    with pytest.raises(LatticeError, match=r"got 4 at 18\.0 mm.*missing: phase 3 \["):
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
