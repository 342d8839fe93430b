"""Frames to stacks: what belongs together."""

from dataclasses import replace

import pytest

from pipeline.read.dicom.files import read_frames
from pipeline.read.dicom.frames import Technique
from pipeline.read.dicom.kinds import Kind
from pipeline.read.dicom.stacks import Stack, are_alike, group_stacks

from .test_frames import FRAME


def _sizes(study):
    return [(stack.n_slices, stack.n_phases) for stack in group_stacks(read_frames(study.written).frames)]


def test_no_frames_no_stacks():
    assert group_stacks([]) == []


def test_positions_rise_along_the_normal(study):
    study.cine(2, 3)
    stack = Stack(tuple(reversed(read_frames(study.written).frames)))
    assert stack.normal.tolist() == pytest.approx([-0.6, 0.8, 0.0])
    assert [mm for mm, _ in stack.slices] == pytest.approx(
        [10.0, 18.0, 26.0]
    )  # along the normal, a corner or a centre lies at one place


def test_series_of_disjoint_slices_join(study):
    study.cine(4, 3, SeriesInstanceUID=lambda z: f"1.2.3.{z}")
    assert _sizes(study) == [(3, 4)]


def test_repeated_stacks_stay_apart(study):
    study.cine(4, 3)
    study.cine(4, 3, SeriesInstanceUID="1.2.3.2")
    assert _sizes(study) == [(3, 4), (3, 4)]


def test_series_of_very_different_length_stay_apart(study):
    study.cine(6, 3)
    study.image(0, 7, SeriesInstanceUID="1.2.3.2")
    for t in range(2):
        study.image(t, 8, SeriesInstanceUID="1.2.3.3")
    assert _sizes(study) == [(3, 6), (1, 2), (1, 1)]


def test_static_volumes_of_one_time_stay_apart(study):
    study.cine(1, 3)
    study.cine(1, 3, SeriesInstanceUID="1.2.3.2")
    assert _sizes(study) == [(3, 1), (3, 1)]


CINE = replace(FRAME, technique=Technique(echo_ms=2.0, repetition_ms=40.0, sequence="trufi"))


@pytest.mark.parametrize(
    ("changes", "alike"),
    [
        ({}, True),
        ({"technique": Technique()}, True),  # a header that is silent
        ({"technique": Technique(echo_ms=3.0, repetition_ms=60.0)}, True),  # 1.5 times
        ({"technique": Technique(echo_ms=1.34)}, True),
        ({"technique": Technique(echo_ms=3.01)}, False),
        ({"technique": Technique(echo_ms=1.33)}, False),
        ({"technique": Technique(repetition_ms=61.0)}, False),
        ({"technique": Technique(repetition_ms=26.0)}, False),
        ({"technique": Technique(sequence="gre")}, False),
        ({"rows": 5}, False),
        ({"pixel_spacing": (2.0, 1.6)}, False),
        ({"kind": Kind(is_derived=True)}, False),
        ({"orientation": (0.8, 0.6, 0.0, 0.0, 0.0, 1.0)}, False),
    ],
)
def test_stacks_are_alike_by_form_kind_direction_and_technique(changes, alike) -> None:
    one, other = Stack((CINE,)), Stack((replace(CINE, **changes),))
    assert are_alike(one, other) is alike
    assert are_alike(other, one) is alike
