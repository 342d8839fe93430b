"""Slices of several numbers of phases: which frame stands for which phase, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.matching import drop_incomplete_slices, match_by_fraction
from pipeline.read.dicom.timing import Clock, Key

from .test_frames import FRAME

USUAL = [100.0 * k for k in range(8)]
BY_TIME = Clock("a time", lambda frame: (frame.trigger_ms or 0.0,), in_ms=True)
BY_COUNT = Clock("a count", lambda frame: (frame.instance_number or 0,), counts=True)
BY_NUMBER = Clock("a number", lambda frame: (frame.instance_number or 0,))


def _column(times: Sequence[float]) -> dict[Key, Frame]:
    """A slice's frames by time, numbered from 0."""
    return {(time,): replace(FRAME, instance_number=n) for n, time in enumerate(times)}


def _matched(*rows: Sequence[float], n_phases: int) -> list[list[int | None]] | None:
    """For each slice the numbers of the frames that stand for the phases."""
    matched = match_by_fraction([_column(row) for row in rows], n_phases)
    return None if matched is None else [[frame.instance_number for frame in column] for column in matched]


@pytest.mark.parametrize("start", [0.0, 35.0])
@pytest.mark.parametrize(
    ("step", "n", "numbers"),
    [
        (200.0, 5, [0, 1, 2, 3, 4]),
        (250.0, 4, [0, 1, 2, 2, 3]),  # at 0, .25, .5, .75 of the beat, for 0, .2, .4, .6, .8
        (1000 / 6, 6, [0, 1, 2, 4, 5]),  # at 0, .17, .33, .5, .67, .83
    ],
)
def test_a_phase_is_the_frame_nearest_in_fraction_of_the_beat(
    start: float, step: float, n: int, numbers: list[int]
) -> None:
    usual = [200.0 * k for k in range(5)]
    other = [start + step * k for k in range(n)]
    assert _matched(usual, other, usual, n_phases=5) == [[0, 1, 2, 3, 4], numbers, [0, 1, 2, 3, 4]]


def test_three_phases_are_the_fewest_that_tell_a_beat() -> None:
    assert _matched([0.0, 300.0, 600.0], [0.0, 225.0, 450.0, 675.0], n_phases=3) == [[0, 1, 2], [0, 1, 3]]
    assert _matched([0.0, 450.0], [0.0, 300.0, 600.0], n_phases=3) is None


@pytest.mark.parametrize(
    ("row", "matches"),
    [
        ([0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 760.0], True),  # a step of 1.6 times the usual
        ([0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 761.0], False),
        ([200.0 * k for k in range(4)], False),  # every other frame, beside the others' step of 100
        ([100.0 * k for k in range(7)], False),  # their step, one fewer
        ([103.0 * k for k in range(7)], False),  # within 3 % of their step
        ([103.2 * k for k in range(7)], True),
        ([100.0 * k for k in range(9)], True),  # their step, one more: a longer beat
        ([125.0 * k for k in range(8)], True),  # a beat of 1000 ms beside 800
        ([126.0 * k for k in range(8)], False),
        ([80.0 * k for k in range(8)], True),  # 640 beside 800
        ([79.0 * k for k in range(8)], False),
    ],
)
def test_frames_that_are_missing_are_not_matched(row: list[float], matches: bool) -> None:
    assert (_matched(USUAL, row, USUAL, n_phases=8) is not None) == matches


def test_slices_with_one_number_of_phases_are_left_alone() -> None:
    columns = [_column(USUAL), _column(USUAL)]
    assert drop_incomplete_slices(columns, BY_NUMBER) == (columns, ())


def test_slices_that_can_be_matched_are_left_alone_where_times_are_known() -> None:
    columns = [_column(USUAL), _column(USUAL), _column([800 / 7 * k for k in range(7)])]
    assert drop_incomplete_slices(columns, BY_TIME) == (columns, ())
    assert drop_incomplete_slices(columns, BY_NUMBER) == (
        columns[:2],
        ("left out 1 slice(s) with other than 8 phases",),
    )


def test_slices_with_the_usual_number_of_phases_are_kept_and_of_two_as_usual_the_larger() -> None:
    long, short = _column(USUAL), _column(USUAL[:2])
    told = "left out {} slice(s) with other than {} phases"
    assert drop_incomplete_slices([short, long, short], BY_NUMBER) == ([short, short], (told.format(1, 2),))
    assert drop_incomplete_slices([short, long], BY_NUMBER) == ([long], (told.format(1, 8),))


def test_a_counted_phase_that_some_slice_lacks_is_left_out_of_all() -> None:
    whole, lacks_two = _column([1, 2, 3, 4]), _column([1, 4])
    kept, notes = drop_incomplete_slices([whole, lacks_two], BY_COUNT)
    assert [list(column) for column in kept] == [[(1,), (4,)], [(1,), (4,)]]
    assert [frame.instance_number for frame in kept[0].values()] == [0, 3]
    assert notes == ("left out phase 2, 3 of all slices: it is missing in some",)


def test_where_most_phases_are_missing_somewhere_slices_are_left_out_instead() -> None:
    whole, lacks_three = _column([1, 2, 3, 4]), _column([1])
    assert drop_incomplete_slices([whole, lacks_three, whole], BY_COUNT) == (
        [whole, whole],
        ("left out 1 slice(s) with other than 4 phases",),
    )
    assert drop_incomplete_slices([whole, whole], BY_COUNT) == ([whole, whole], ())
