"""What speaks for and against a stack being the short-axis cine: each sign with its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.read.dicom.evidence import Evidence, weigh
from pipeline.read.dicom.frames import Technique
from pipeline.read.dicom.kinds import Kind
from pipeline.read.dicom.stacks import Stack

from .test_frames import FRAME

USUAL_AXIS = np.array([-1.0, 1.0, 1.0]) / np.sqrt(3.0)
"""From apex to base: to the patient's right, back and head."""

ACROSS = np.array([1.0, 1.0, 0.0]) / np.sqrt(2.0)
"""At right angles to it."""


def _plane(off_deg: float) -> tuple[float, ...]:
    """Directions of rows and columns of a plane whose normal is off the usual axis, turned towards `ACROSS`."""
    angle = np.deg2rad(off_deg)
    normal = np.cos(angle) * USUAL_AXIS + np.sin(angle) * ACROSS
    rows = np.cross(USUAL_AXIS, ACROSS)
    return (*rows.tolist(), *np.cross(normal, rows).tolist())


def _stack(
    n_slices: int = 10,
    n_phases: int = 1,
    *,
    times_ms: Sequence[float] | None = None,
    off_deg: float = 0.0,
    **facts: Any,
) -> Stack:
    orientation = facts.pop("orientation", _plane(off_deg))
    normal = np.cross(orientation[:3], orientation[3:])
    return Stack(
        tuple(
            replace(
                FRAME,
                orientation=orientation,
                position=tuple((8.0 * level * normal).tolist()),
                trigger_ms=None if times_ms is None else times_ms[phase],
                **facts,
            )
            for level in range(n_slices)
            for phase in range(n_phases)
        )
    )


PLANE = Evidence(20.0, "the plane of a short axis (0 degrees off the usual one)")
STATIC = Evidence(-30.0, "one phase only")
TEN = Evidence(10.0, "10 parallel slices")


@pytest.mark.parametrize(
    ("n_slices", "sign"),
    [
        (2, Evidence(-100.0, "fewer than 3 parallel slices, as localisers and long-axis views have")),
        (3, Evidence(3.0, "3 parallel slices")),
        (12, Evidence(12.0, "12 parallel slices")),
        (40, Evidence(12.0, "40 parallel slices")),
    ],
)
def test_slices_count_up_to_a_dozen(n_slices: int, sign: Evidence) -> None:
    assert weigh(_stack(n_slices), []).evidence == (sign, STATIC, PLANE)


@pytest.mark.parametrize(("n_phases", "points"), [(2, 25 + 1 / 3), (15, 27.5), (30, 30.0), (60, 30.0)])
def test_phases_are_the_heaviest_sign_for_a_cine(n_phases: int, points: float) -> None:
    assert weigh(_stack(10, n_phases), []).evidence == (TEN, Evidence(points, f"{n_phases} phases"), PLANE)


@pytest.mark.parametrize(
    ("step_ms", "sign"),
    [
        (80.0, Evidence(10.0, "times within a beat of 800 ms")),
        (25.0, Evidence(10.0, "times within a beat of 250 ms")),
        (24.0, Evidence(-5.0, "times over 240 ms only, less than a beat")),
        (200.0, Evidence(10.0, "times within a beat of 2000 ms")),
        (210.0, Evidence(-60.0, "times over 1.9 s, more than a beat, as perfusion has")),
    ],
)
def test_times_are_those_of_a_beat(step_ms: float, sign: Evidence) -> None:
    """Ten phases span nine steps, and a beat is ten."""
    stack = _stack(10, 10, times_ms=[step_ms * t for t in range(10)])
    assert weigh(stack, []).evidence == (TEN, Evidence(25 + 5 / 3, "10 phases"), sign, PLANE)


def test_one_time_for_all_phases_says_nothing_of_the_beat() -> None:
    assert len(weigh(_stack(10, 10, times_ms=[5.0] * 10), []).evidence) == 3
    assert len(weigh(_stack(10, 1, times_ms=[5.0]), []).evidence) == 3


@pytest.mark.parametrize(
    ("off_deg", "sign"),
    [
        (39.0, Evidence(20.0, "the plane of a short axis (39 degrees off the usual one)")),
        (41.0, Evidence(5.0, "a plane 41 degrees off the usual short axis")),
        (64.0, Evidence(5.0, "a plane 64 degrees off the usual short axis")),
        (66.0, Evidence(-25.0, "a plane 66 degrees off the usual short axis")),
    ],
)
def test_planes_near_the_usual_axis_weigh_for_it(off_deg: float, sign: Evidence) -> None:
    assert weigh(_stack(off_deg=off_deg), []).evidence == (TEN, STATIC, sign)


@pytest.mark.parametrize(
    ("tilt_deg", "points"),
    [(0.0, -15.0), (9.0, -15.0), (11.0, 5.0)],  # the axial normal is 55 degrees off the usual axis
)
def test_planes_along_the_body_s_axes_are_none_of_the_heart_s(tilt_deg: float, points: float) -> None:
    angle = np.deg2rad(tilt_deg)
    axial = (1.0, 0.0, 0.0, 0.0, float(np.cos(angle)), float(np.sin(angle)))
    sign = weigh(_stack(orientation=axial), []).evidence[2]
    assert sign.points == points
    assert (sign.reason == "an axial, coronal or sagittal plane") is (points < 0)


@pytest.mark.parametrize(
    ("off_deg", "sign"),
    [
        ([90.0, 71.0], Evidence(10.0, "square to 2 of 2 single moving views")),
        ([90.0, 69.0], Evidence(5.0, "square to 1 of 2 single moving views")),
        ([90.0, 0.0, 10.0], Evidence(-10.0, "square to 1 of 3 single moving views only")),
    ],
)
def test_long_axis_views_are_square_to_a_short_axis(off_deg: list[float], sign: Evidence) -> None:
    views = [_stack(1, 20, off_deg=angle) for angle in off_deg]
    others = [*views, _stack(1, 1), _stack(3, 20)]  # neither a still picture nor a stack is a view
    assert weigh(_stack(), others).evidence == (TEN, STATIC, PLANE, sign)


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        (Kind(is_mosaic=True), Evidence(-100.0, "Siemens mosaics, several slices tiled in one picture")),
        (Kind("phase"), Evidence(-100.0, "a phase picture")),
        (Kind("imaginary"), Evidence(-100.0, "an imaginary picture")),
        (Kind(is_derived=True, correction="ND"), Evidence(-25.0, "derived from other pictures")),
        (Kind(correction="DIS2D"), Evidence(0.0, "distortion correction DIS2D")),
        (Kind(correction="DIS3D"), Evidence(-2.0, "distortion correction DIS3D")),
        (Kind(correction="ND"), Evidence(-3.0, "distortion correction ND")),
    ],
)
def test_kinds_of_picture(kind: Kind, sign: Evidence) -> None:
    candidate = weigh(_stack(kind=kind), [])
    assert candidate.evidence == (TEN, STATIC, PLANE, sign)
    assert candidate.can_be_short_axis is (kind.component == "magnitude" and not kind.is_mosaic)


def test_several_values_of_a_technique_in_one_plane_weigh_against_it() -> None:
    frames = [
        replace(frame, technique=Technique(echo_ms=1.0 + phase % 2, b_value=50.0 * (phase % 2)))
        for phase, frame in enumerate(_stack(10, 2).frames)
    ]
    sign = weigh(Stack(tuple(frames)), []).evidence[-1]
    assert sign == Evidence(-40.0, "several values of DiffusionBValue and EchoTime in one plane")


@pytest.mark.parametrize(
    ("description", "sign"),
    [
        ("cine_SAX_mueller", Evidence(6.0, 'named "SAX"')),
        ("Kurzachse", Evidence(6.0, 'named "Kurzachse"')),
        ("sax stress perfusion", Evidence(-15.0, 'named "stress"')),
        ("4ch", Evidence(-15.0, 'named "4ch"')),
        ("SAXON", None),
        ("", None),
    ],
)
def test_names_that_people_give(description: str, sign: Evidence | None) -> None:
    expected = (TEN, STATIC, PLANE) if sign is None else (TEN, STATIC, PLANE, sign)
    assert weigh(_stack(technique=Technique(description=description)), []).evidence == expected


def test_points_are_summed_and_doubts_told_by_weight() -> None:
    candidate = weigh(_stack(2, 1, kind=Kind("phase"), technique=Technique(description="flow")), [])
    assert candidate.points == -100 - 30 + 20 - 100 - 15
    assert candidate.doubts == (
        "fewer than 3 parallel slices, as localisers and long-axis views have",
        "a phase picture",
        "one phase only",
        'named "flow"',
    )
    assert not candidate.can_be_short_axis
    assert not weigh(_stack(2), []).can_be_short_axis
    assert weigh(_stack(3), []).can_be_short_axis
