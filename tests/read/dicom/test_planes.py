"""The grid of a stack's slices: limits exactly, and what is said of slices that are off it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import HeaderError, LatticeError
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.planes import Planes, fit_planes

from .test_frames import FRAME

NORMAL = np.array([-0.6, 0.8, 0.0])


def _slices(along_mm: Sequence[float], *, aside_mm: Sequence[float] = (), **facts: float | None) -> list[list[Frame]]:
    """Slices at places along the normal, shifted along patient z, which lies in their planes."""
    shifts = aside_mm or [0.0] * len(along_mm)
    places = [NORMAL * mm + [0.0, 0.0, shift] for mm, shift in zip(along_mm, shifts, strict=True)]
    return [
        [replace(FRAME, path=Path(f"in/{n}.dcm"), position=tuple(place.tolist()), **facts)]
        for n, place in enumerate(places)
    ]


def _fitted(along_mm: Sequence[float], **facts: float | None) -> Planes:
    return fit_planes(_slices(along_mm, **facts))


def test_even_slices_are_a_grid_without_notes() -> None:
    planes = _fitted([5.0, 13.0, 21.0])
    # LPS to RAS+: x and y change their sign; columns lie 1.5 mm apart along (0.8, 0.6, 0), rows 2 mm along (0, 0, -1)
    expected = [[-1.2, 0, 4.8, 3.0], [-0.9, 0, -6.4, -4.0], [0, -2.0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(planes.affine, expected, atol=1e-12)
    assert (planes.spans_mm, planes.notes) == (None, ())


@pytest.mark.parametrize(
    ("facts", "distance", "name"),
    [
        ({"slice_spacing_mm": 9.0, "slice_thickness_mm": 6.0}, 9.0, "SpacingBetweenSlices, 9 mm"),
        ({"slice_thickness_mm": 6.5}, 6.5, "SliceThickness, 6.5 mm"),
        ({"slice_spacing_mm": 0.0, "slice_thickness_mm": 6.5}, 6.5, "SliceThickness, 6.5 mm"),
    ],
)
def test_one_slice_has_the_distance_that_its_header_states(facts: dict[str, float], distance: float, name: str) -> None:
    planes = _fitted([5.0], **facts)
    np.testing.assert_allclose(planes.affine[:3, 2], distance * NORMAL * [-1, -1, 1], atol=1e-12)
    assert planes.notes == (f"one slice only: its distance is taken from {name}",)
    assert planes.spans_mm is None


def test_one_slice_without_a_distance_is_refused_by_its_file() -> None:
    told = "a single slice must state SpacingBetweenSlices or SliceThickness, got neither"
    with pytest.raises(HeaderError, match=told) as refused:
        _fitted([5.0], slice_thickness_mm=0.0)
    assert refused.value.path == Path("in/0.dcm")


@pytest.mark.parametrize(
    ("last", "spans"),
    [
        (24.75, None),  # the middle ones are 0.25 and 0.5 mm off their even places, as much as may be
        (24.78, (8.0, 8.0, 8.39, 8.39)),
        (20.1, (8.0, 8.0, 6.05, 6.05)),  # half of the usual distance is 4 mm
        (27.9, (8.0, 8.0, 9.95, 9.95)),  # 1.5 times is 12 mm
    ],
)
def test_uneven_slices_stand_for_their_share(last: float, spans: tuple[float, ...] | None) -> None:
    planes = _fitted([0.0, 8.0, 16.0, last])
    assert planes.spans_mm == (None if spans is None else pytest.approx(spans))
    gaps = (min(8.0, last - 16), max(8.0, last - 16))
    told = (
        f"slices are {gaps[0]:.2f} to {gaps[1]:.2f} mm apart: volumes count each slice with its true share of the "
        "stack, label maps are stored at the mean distance"
    )
    assert planes.notes == (() if spans is None else (told,))


def test_thin_slices_may_be_off_by_a_tenth_of_their_step() -> None:
    assert _fitted([0.0, 2.0, 4.0, 6.29]).spans_mm is None  # 0.19 mm off, of 0.2 that are a tenth of 2 mm
    assert _fitted([0.0, 2.0, 4.0, 6.32]).spans_mm is not None


@pytest.mark.parametrize(
    ("along_mm", "told"),
    [
        (
            [0.0, 8.0, 16.0, 19.9],
            "distances between slices must be 0.5 to 1.5 times the usual 8.00 mm, got 3.90 to 8.00 mm; "
            "the one from 16.0 to 19.9 mm differs most",
        ),
        (
            [0.0, 8.0, 16.0, 28.0],
            "distances between slices must be 0.5 to 1.5 times the usual 8.00 mm, got 8.00 to 12.00 mm; "
            "the one from 16.0 to 28.0 mm differs most",
        ),
        (
            [0.0, 8.0, 24.0, 32.0],
            "slices must be complete, got none at 16.0 mm along the normal: between 8.0 and 24.0 mm lie 16.0 mm, "
            "elsewhere 8.0 mm; --drop-incomplete measures without them",
        ),
        (
            [1.0, 27.0, 35.0, 43.0],  # two lost, and 2 mm too many: a quarter of the usual distance
            "slices must be complete, got none at 9.0, 17.0 mm along the normal: between 1.0 and 27.0 mm lie 26.0 mm, "
            "elsewhere 8.0 mm; --drop-incomplete measures without them",
        ),
        (
            [-0.04, 15.96, 23.96, 31.96],  # no negative zero
            "slices must be complete, got none at 8.0 mm along the normal: between 0.0 and 16.0 mm lie 16.0 mm, "
            "elsewhere 8.0 mm; --drop-incomplete measures without them",
        ),
        (
            [1.0, 27.1, 35.0, 43.0, 51.0],
            "distances between slices must be 0.5 to 1.5 times the usual 8.00 mm, got 7.90 to 26.10 mm; "
            "the one from 1.0 to 27.1 mm differs most",
        ),
    ],
)
def test_gaps_beyond_the_limits_are_refused_with_what_is_missing(along_mm: list[float], told: str) -> None:
    with pytest.raises(LatticeError) as refused:
        _fitted(along_mm)
    assert str(refused.value) == f"{told} [in]"
    assert refused.value.path == Path("in")


def test_gaps_are_allowed_where_slices_were_left_out() -> None:
    planes = fit_planes(_slices([0.0, 8.0, 24.0]), allow_gaps=True)
    assert planes.spans_mm == pytest.approx((10.0, 12.0, 14.0))  # the usual distance is the median of 8 and 16


@pytest.mark.parametrize(
    ("shift", "note"),
    [
        (0.95, None),
        (1.05, "slices are shifted within their planes by up to 0.5 mm (limit 15)"),
        (29.8, "slices are shifted within their planes by up to 14.9 mm (limit 15)"),
    ],
)
def test_a_shift_is_noted_above_half_a_millimetre(shift: float, note: str | None) -> None:
    """Of four slices the second and third are shifted: the line takes the mean, half of it each is off."""
    planes = fit_planes(_slices([0.0, 8.0, 16.0, 24.0], aside_mm=[0.0, shift, shift, 0.0]))
    assert planes.notes == (() if note is None else (note,))


def test_a_shift_beyond_the_limit_is_refused_by_the_slice() -> None:
    told = "slices of one stack may be shifted within their planes by 15 mm, got one shifted by 15.1 mm"
    with pytest.raises(LatticeError, match=told) as refused:
        fit_planes(_slices([0.0, 8.0, 16.0, 24.0], aside_mm=[0.0, 30.1, 30.2, 0.0]))
    assert refused.value.path == Path("in/2.dcm")


@pytest.mark.parametrize(("degrees", "refused"), [(9.9, False), (10.1, True)])
def test_a_stack_may_lean_by_ten_degrees(degrees: float, refused: bool) -> None:
    along = [0.0, 8.0, 16.0]
    leaning = _slices(along, aside_mm=[mm * float(np.tan(np.deg2rad(degrees))) for mm in along])
    if not refused:
        assert fit_planes(leaning).notes == ()
        return
    with pytest.raises(LatticeError, match="along their normal within 10 degrees, got 10: ImagePosition") as caught:
        fit_planes(leaning)
    assert caught.value.path == Path("in")


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"slice_spacing_mm": 8.5}, None),
        ({"slice_spacing_mm": 7.5}, None),
        ({"slice_spacing_mm": 8.6}, "SpacingBetweenSlices says 8.6 mm, the positions 8.00 mm: the positions count"),
        ({"slice_thickness_mm": 17.7}, None),  # 8 mm are 0.452 of it
        (
            {"slice_thickness_mm": 18.0},
            "SliceThickness says 18 mm, the slices are 8.00 mm apart: one of them is wrong",
        ),
        ({"slice_thickness_mm": 2.3}, None),  # 8 mm are 3.48 times it
        ({"slice_thickness_mm": 2.2}, "SliceThickness says 2.2 mm, the slices are 8.00 mm apart: one of them is wrong"),
        ({"slice_thickness_mm": 2.2, "slice_spacing_mm": 8.0}, None),
        ({"slice_thickness_mm": 0.0}, None),
    ],
)
def test_a_header_that_contradicts_the_positions_is_noted(facts: dict[str, float], note: str | None) -> None:
    assert _fitted([0.0, 8.0, 16.0], **facts).notes == (() if note is None else (note,))


def test_frames_of_one_slice_that_lie_apart_are_refused_by_the_one_that_does() -> None:
    slices = _slices([0.0, 8.0])
    (lower,) = slices[1]
    moved = [replace(lower, path=Path(f"in/{n}.dcm"), position=(-4.8, 6.4, z)) for n, z in ((3, 0), (4, 0), (5, 0.9))]
    slices[1] = moved
    told = r"frames of the slice at 8\.0 mm must share one ImagePositionPatient, got 0\.6 mm apart"
    with pytest.raises(LatticeError, match=told) as refused:
        fit_planes(slices)
    assert refused.value.path == Path("in/5.dcm")


@pytest.mark.parametrize(("degrees", "told"), [(0.1, None), (4.0, "3.2"), (6.0, "4.8"), (6.5, "refused")])
def test_a_slice_that_tilts_is_noted_or_refused_by_its_file(degrees: float, told: str | None) -> None:
    """One of five tilts: the stack's mean is a fifth of the way, four fifths are left."""
    angle = np.deg2rad(degrees)
    columns = np.cos(angle) * np.array([0.0, 0.0, -1.0]) + np.sin(angle) * NORMAL
    slices = _slices([0.0, 8.0, 16.0, 24.0, 32.0])
    (frame,) = slices[3]
    tilted = replace(frame, orientation=(*FRAME.orientation[:3], *columns.tolist()))
    slices[3] = [replace(tilted, position=tuple((np.array(frame.position) + frame.centre - tilted.centre).tolist()))]
    if told == "refused":
        with pytest.raises(LatticeError, match=r"parallel within 5 degrees, got one tilted by 5\.2; name") as refused:
            fit_planes(slices)
        assert refused.value.path == Path("in/3.dcm")
        return
    note = (
        f"slices tilt by up to {told} degrees against the stack (limit 5): each keeps its own plane, the grid is "
        "fitted to all"
    )
    assert fit_planes(slices).notes == (() if told is None else (note,))
