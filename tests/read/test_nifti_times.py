"""Where NIfTI headers keep the step between phases, and what of it is believed."""

import nibabel as nib
import numpy as np
import pytest

from pipeline.read.nifti_times import phase_times_ms


def header(shape=(4, 4, 2, 25), *, step=0.04, unit="sec", axis=4, offset=0.0) -> nib.Nifti1Header:
    made = nib.Nifti1Header()
    made.set_data_shape(shape)
    made.set_xyzt_units("mm", unit)
    made["pixdim"][axis] = step
    made["toffset"] = offset
    return made


def test_offset_and_step_in_the_stated_unit():
    times, notes = phase_times_ms(header(offset=0.0125, step=0.0335), n_phases=25)
    assert times[:3] == (12.5, 46.0, 79.5)
    assert notes == ()


@pytest.mark.parametrize("offset", [np.nan, np.inf])
def test_an_offset_that_is_no_number_counts_as_none(offset):
    assert phase_times_ms(header(offset=offset), n_phases=25)[0][:2] == (0.0, 40.0)


def test_milliseconds_called_seconds_and_the_reverse():
    for step, unit in ((40.0, "sec"), (0.04, "msec"), (40.0, "unknown")):
        times, notes = phase_times_ms(header(step=step, unit=unit), n_phases=25)
        assert times[24] == pytest.approx(960.0)
        assert "it is 40 ms" in notes[0]


def test_a_repetition_time_is_no_step():
    times, notes = phase_times_ms(header(step=0.00268), n_phases=25)
    assert times is None
    assert "a step of 0.00268 s in 25 phases gives no heart beat" in notes[0]


@pytest.mark.parametrize("axis", [4, 5])
def test_phases_along_the_fifth_axis(axis):
    made = header((4, 4, 2, 1, 25), axis=axis)
    assert phase_times_ms(made, n_phases=25)[0][:2] == (0.0, 40.0)


def test_an_axis_of_frequencies_is_no_time():
    times, notes = phase_times_ms(header(unit="hz"), n_phases=25)
    assert times is None
    assert "no time" in notes[0]


def test_one_phase_has_no_times_and_two_have():
    assert phase_times_ms(header((4, 4, 2, 1)), n_phases=1) == (None, ())
    assert phase_times_ms(header((4, 4, 2, 2), step=0.4), n_phases=2) == ((0.0, 400.0), ())


@pytest.mark.parametrize(("unit", "step"), [("sec", 0.04), ("msec", 40.0), ("usec", 40000.0)])
def test_each_unit_as_it_is(unit, step):
    times, notes = phase_times_ms(header(step=step, unit=unit, offset=step), n_phases=25)
    assert (times[:2], notes) == ((40.0, 80.0), ())


@pytest.mark.parametrize("unit", ["hz", "ppm", "rads"])
def test_what_is_no_time_is_told_in_full(unit):
    told = "times of the phases are unknown: the header's fourth axis is no time"
    assert phase_times_ms(header(unit=unit), n_phases=25) == (None, (told,))


def test_the_axis_of_the_phases_goes_before_the_fourth():
    made = header((4, 4, 2, 1, 25), axis=5)
    made["pixdim"][4] = 0.03
    assert phase_times_ms(made, n_phases=25)[0][1] == 40.0
    made["pixdim"][5] = 0.0
    assert phase_times_ms(made, n_phases=25)[0][1] == 30.0
    made["pixdim"][4] = np.nan
    assert "the header's time step is 0;" in phase_times_ms(made, n_phases=25)[1][0]
    made = header((4, 4, 2, 1, 1, 1, 25), axis=7)
    assert phase_times_ms(made, n_phases=25)[0][1] == 40.0
