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
