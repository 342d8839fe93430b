"""Each rule on the stack of slices: tripped by hand, and not by a tapering heart (the healthy: test_anatomy_checks)."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.measurements import Flag
from pipeline.measure.quality.heart import Heart
from pipeline.measure.quality.stack_checks import (
    check_apex,
    check_area_jumps,
    check_base,
    check_slice_shift,
    check_spacing,
    distances_from_neighbours,
)

CAVITY = (0, 10, 9, 8, 6, 4, 2, 0)  # width and height of a square in pixels, slice by slice, from above the base


def _labels(cavity: tuple[int, ...] = CAVITY) -> np.ndarray:
    """60 x 60 x Z: squares in walls of 4 pixels, and a right ventricle as large as the cavity."""
    labels = np.zeros((60, 60, len(cavity)), dtype=np.uint8)
    for z, size in enumerate(cavity):
        if size:
            low, high = 40 - size // 2, 40 + (size + 1) // 2
            labels[low - 4 : high + 4, low - 4 : high + 4, z] = 2
            labels[low:high, low:high, z] = 1
            labels[low - 4 - size : low - 4, low:high, z] = 3
    return labels


def _heart(labels: np.ndarray, *, step_mm: float = 10.0, pixel_mm: tuple[float, float] = (2.0, 2.0)) -> Heart:
    return Heart(labels, Grid(labels.shape, np.diag([-pixel_mm[0], -pixel_mm[1], step_mm, 1.0])), 1)


def _areas(*, left: list[int], wall: list[int] | None = None, right: list[int] | None = None) -> np.ndarray:
    """Label maps of these many pixels a slice, of any form."""
    labels = np.zeros((20, 20, len(left)), dtype=np.uint8)
    for z in range(len(left)):
        pixels = labels[:, :, z].reshape(-1)  # a copy: a slice is not contiguous
        start = 0
        for value, areas in ((1, left), (2, wall), (3, right)):
            stop = start + (areas[z] if areas else 0)
            pixels[start:stop] = value
            start = stop
        labels[:, :, z] = pixels.reshape(20, 20)
    return labels


@pytest.mark.parametrize("rule", [check_area_jumps, check_slice_shift, check_apex, check_base])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_tapering_heart_trips_nothing(rule, reverse: bool) -> None:
    labels = _labels()
    assert rule(_heart(labels[:, :, ::-1] if reverse else labels)) is None


def test_a_jump_of_the_cavity() -> None:
    labels = _labels()
    labels[:, :, 3][labels[:, :, 3] == 1] = 2
    labels[38:43, 38:43, 3] = 1  # 25 of at most 100 pixels, between 81 and 36; the wall around it as before
    flag = check_area_jumps(_heart(labels))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.phase, flag.slice) == ("area_jump", "note", 1, 3)
    assert flag.value == pytest.approx((81 + 36) / 200 - 0.25)
    assert "left cavity" in flag.message


def test_a_jump_of_the_right_ventricle() -> None:
    labels = _labels()
    labels[:, :, 3][labels[:, :, 3] == 3] = 0
    labels[35, 35, 3] = 3  # one pixel left of 64, between 81 and 36
    flag = check_area_jumps(_heart(labels))
    assert flag is not None
    assert flag.slice == 3
    assert flag.value == pytest.approx((81 + 36) / 200 - 0.01)
    assert "right ventricle" in flag.message


def test_a_shifted_slice() -> None:
    labels = _labels()
    labels[:, :, 3] = np.roll(labels[:, :, 3], (3, 5), axis=(0, 1))  # 6 and 10 mm; two slices have it as a neighbour
    flag = check_slice_shift(_heart(labels))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.slice) == ("slice_shift", "note", 3)
    assert flag.value == pytest.approx(np.hypot(6, 10), abs=1.5)  # odd and even squares differ by half a pixel
    labels = _labels()
    labels[:, :, 3] = np.roll(labels[:, :, 3], 4, axis=0)
    assert check_slice_shift(_heart(labels)) is None


def test_an_axis_at_a_slant_is_no_shift() -> None:
    labels = _labels()
    for z in range(labels.shape[2]):
        labels[:, :, z] = np.roll(labels[:, :, z], -3 * z, axis=0)
    assert check_slice_shift(_heart(labels)) is None


@pytest.mark.parametrize("reverse", [False, True])
def test_a_stack_without_the_apex(reverse: bool) -> None:
    labels = _labels()[:, :, :4]  # ends at 64 of 100 pixels
    flag = check_apex(_heart(labels[:, :, ::-1] if reverse else labels))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.slice) == ("stack_apex", "review", 0 if reverse else 3)
    assert flag.value == pytest.approx(0.64)


def test_a_stack_without_the_base() -> None:
    labels = _labels()[:, :, 1:]  # six slices show the cavity
    flag = check_base(_heart(labels))
    assert flag is not None
    assert (flag.rule, flag.severity, flag.slice) == ("stack_base", "review", 0)
    assert (flag.value, flag.threshold) == (60.0, 70.0)
    assert check_base(_heart(labels, step_mm=12.0)) is None  # 72 mm are a whole ventricle


def test_distances_by_hand() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [9.0, 9.0]])
    far = distances_from_neighbours(points, shown=np.array([True, True, True, False]))
    np.testing.assert_allclose(far, [np.nan, 5.0, np.nan, np.nan])
    assert np.isnan(distances_from_neighbours(points[:1], shown=np.array([True]))).all()


@pytest.mark.parametrize("middle", [(100, 70, 69), (70, 100, 101)], ids=["smaller", "larger"])
@pytest.mark.parametrize("which", ["left", "right"])
def test_the_limit_of_a_cavity_s_jump(which: str, middle: tuple[int, int, int]) -> None:
    beside, within, beyond = middle
    for area, flagged in ((within, False), (beyond, True)):
        areas = [beside, beside, area, beside, beside]
        # a wall so large that the left ventricle with it does not jump
        labels = (
            _areas(left=areas, wall=[200 - n for n in areas]) if which == "left" else _areas(left=[0] * 5, right=areas)
        )
        flag = check_area_jumps(_heart(labels))
        assert (flag is not None) is flagged
    assert flag is not None
    assert (flag.slice, flag.threshold) == (2, 0.3)
    assert flag.value == pytest.approx(31 / max(beside, beyond))
    name = "left cavity" if which == "left" else "right ventricle"
    assert flag.message == (
        f"The {name} is cut in an area that differs from its neighbours' mean by {flag.value:.0%} of the largest "
        "(slice 3)."
    )


def test_the_limit_of_the_left_ventricle_s_jump() -> None:
    for wall, flagged in ((30, False), (29, True)):
        flag = check_area_jumps(_heart(_areas(left=[50] * 5, wall=[50, 50, wall, 50, 50])))
        assert (flag is not None) is flagged
    assert flag is not None
    assert (flag.slice, flag.value, flag.threshold) == (2, pytest.approx(0.21), 0.2)
    assert flag.message.startswith("The left ventricle with its wall is cut")


def test_a_jump_of_just_the_limit_is_not_counted_beside_one_beyond_it() -> None:
    flag = check_area_jumps(_heart(_areas(left=[0] * 9, right=[100, 100, 70, 100, 100, 100, 60, 100, 100])))
    assert flag is not None
    assert "(slice 7)" in flag.message


def test_sections_of_less_than_a_square_millimetre_are_sections() -> None:
    pixel_mm = (0.5, 0.5)
    right = check_area_jumps(_heart(_areas(left=[0] * 5, right=[3, 3, 1, 3, 3]), pixel_mm=pixel_mm))
    wall = check_area_jumps(_heart(_areas(left=[3] * 5, wall=[10, 10, 2, 10, 10]), pixel_mm=pixel_mm))
    assert right is not None
    assert wall is not None
    labels = _labels((1,) * 5)
    labels[:, :, 2] = np.roll(labels[:, :, 2], -25, axis=0)
    shift = check_slice_shift(_heart(labels, pixel_mm=pixel_mm))
    assert shift is not None
    assert shift.value == pytest.approx(12.5)
    base = check_base(_heart(_areas(left=[3, 3, 2, 1]), pixel_mm=pixel_mm))
    assert base is not None
    assert base.value == 40.0


def test_of_several_jumps_the_one_farthest_beyond_its_limit_is_told() -> None:
    """The cavity jumps by 0.33 of 0.3, the left ventricle by 0.25 of 0.2."""
    labels = _areas(left=[75, 75, 50, 75, 75], wall=[25, 25, 25, 25, 25])
    flag = check_area_jumps(_heart(labels))
    assert flag is not None
    assert (flag.value, flag.threshold) == (pytest.approx(0.25), 0.2)
    two = check_area_jumps(_heart(_areas(left=[0] * 7, right=[100, 100, 60, 100, 100, 20, 100])))
    assert two is not None
    assert (two.slice, two.value) == (5, pytest.approx(0.8))
    assert "80%" in two.message
    assert "(3 slices, first slice 3)" in two.message  # and the fifth, between 100 and 20


def test_a_wall_without_a_cavity_is_no_section_of_the_ventricle() -> None:
    assert check_area_jumps(_heart(_areas(left=[50] * 4 + [0], wall=[50] * 4 + [20]))) is None
    assert check_area_jumps(_heart(_areas(left=[50] * 4 + [1], wall=[50] * 4 + [20]))) is not None


@pytest.mark.parametrize("rule", [check_area_jumps, check_slice_shift, check_apex, check_base])
@pytest.mark.parametrize("n_slices", [1, 2, 5])
def test_an_empty_stack_trips_nothing(rule, n_slices: int) -> None:
    assert rule(_heart(np.zeros((9, 9, n_slices), np.uint8))) is None


@pytest.mark.parametrize("move", [(5, 0), (0, 5), (3, 4), (-4, 3)])
def test_the_limit_of_a_slice_s_shift(move: tuple[int, int]) -> None:
    labels = _labels((8,) * 5)
    labels[:, :, 2] = np.roll(labels[:, :, 2], move, axis=(0, 1))
    assert check_slice_shift(_heart(labels)) is None  # 5 pixels of 2 mm
    flag = check_slice_shift(_heart(labels, pixel_mm=(2.01, 2.01)))
    assert flag is not None
    assert (flag.slice, flag.value, flag.threshold) == (2, pytest.approx(10.05), 10.0)
    assert "10 mm" in flag.message
    assert "(slice 3)" in flag.message


def test_a_shift_is_measured_in_mm_along_either_axis() -> None:
    labels = _labels((8,) * 5)
    labels[:, :, 3] = np.roll(labels[:, :, 3], (4, 9), axis=(0, 1))
    flag = check_slice_shift(_heart(labels, pixel_mm=(3.0, 1.0)))
    assert flag is not None
    assert flag.value == pytest.approx(np.hypot(12.0, 9.0))


def test_slices_without_a_cavity_have_no_place() -> None:
    labels = _labels((8,) * 5)
    labels[:, :, 2] = np.roll(labels[:, :, 2], 9, axis=0)
    labels[:, :, 2][labels[:, :, 2] == 1] = 2
    assert check_slice_shift(_heart(labels)) is None


@pytest.mark.parametrize(("end", "flagged"), [(40, False), (41, True)])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_limit_of_an_apex(end: int, flagged: bool, reverse: bool) -> None:
    labels = _areas(left=[80, 100, 70, end])
    flag = check_apex(_heart(labels[:, :, ::-1] if reverse else labels))
    assert (flag is not None) is flagged
    assert flag is None or (flag.slice, flag.value, flag.threshold) == (0 if reverse else 3, 0.41, 0.4)


@pytest.mark.parametrize(("end", "flagged"), [(94, False), (95, True)])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_limit_of_a_base(end: int, flagged: bool, reverse: bool) -> None:
    labels = _areas(left=[end, 100, 60, 30, 0])
    flag = check_base(_heart(labels[:, :, ::-1] if reverse else labels))
    assert (flag is not None) is flagged
    assert flag is None or (flag.slice, flag.value) == (4 if reverse else 0, 40.0)  # the empty slice is none of it


def test_a_ventricle_of_seventy_mm_is_whole() -> None:
    labels = _areas(left=[100, 90, 80, 70, 50, 30, 10])
    assert check_base(_heart(labels, step_mm=10.0)) is None
    flag = check_base(_heart(labels, step_mm=9.99))
    assert flag is not None
    assert (flag.value, flag.threshold) == (pytest.approx(69.93), 70.0)


@pytest.mark.parametrize(
    ("spans", "flagged"),
    [
        (None, False),
        ((8.0,) * 8, False),
        ((8.0, 8.0, 8.0, 8.3, 8.3, 8.0, 8.0, 8.0), False),
        ((8.0, 8.0, 8.0, 8.0, 8.0, 7.0, 7.0, 8.0), True),
    ],
)
def test_slices_that_stand_for_unlike_lengths(spans: tuple[float, ...] | None, flagged: bool) -> None:
    labels = _labels()
    heart = Heart(labels, Grid(labels.shape, np.diag([-2.0, -2.0, 8.0, 1.0]), spans), 1)
    flag = check_spacing(heart)
    assert (flag is not None) is flagged
    if flag is not None:
        assert (flag.severity, flag.value, flag.threshold) == ("review", 0.125, 0.05)
        assert "7.0 to 8.0 mm" in flag.message


def test_uneven_slices_without_a_ventricle_matter_to_nobody() -> None:
    labels = _labels()
    assert check_spacing(Heart(labels, Grid(labels.shape, np.eye(4), (12.0, *(8.0,) * 6, 12.0)), 1)) is None


def test_each_flag_in_full() -> None:
    """All that a person is shown, and all that a program reads; sentences count from 1."""
    cut = _heart(_areas(left=[100, 90, 80, 70, 50]))
    assert check_apex(cut) == Flag(
        "stack_apex",
        "review",
        "The stack ends where the left cavity is still 50% of its largest section: the apex is missing.",
        1,
        4,
        0.5,
        0.4,
    )
    assert check_base(cut) == Flag(
        "stack_base",
        "review",
        "The stack ends where the left cavity is widest and shows 50 mm of it: the base may be missing.",
        1,
        0,
        50.0,
        70.0,
    )
    labels = _labels((8,) * 5)
    labels[:, :, 1] = np.roll(labels[:, :, 1], 8, axis=0)
    labels[:, :, 3] = np.roll(labels[:, :, 3], 9, axis=0)
    assert check_slice_shift(_heart(labels)) == Flag(
        "slice_shift",
        "note",
        "The left heart lies 18 mm beside its neighbours' middle (3 slices, first slice 2).",
        1,
        3,
        pytest.approx(18.0),
        10.0,
    )
    assert check_area_jumps(_heart(_areas(left=[0] * 5, right=[100, 100, 60, 100, 100]))) == Flag(
        "area_jump",
        "note",
        "The right ventricle is cut in an area that differs from its neighbours' mean by 40% of the largest (slice 3).",
        1,
        2,
        pytest.approx(0.4),
        0.3,
    )


@pytest.mark.parametrize(("odd_mm", "uneven"), [(10.5, None), (10.6, 0.06), (9.5, None), (9.4, 0.06)])
def test_the_limit_of_uneven_slices(odd_mm: float, uneven: float | None) -> None:
    """A twentieth of the usual length, here 10 mm."""
    labels = _labels()
    spans = (10.0, 10.0, 10.0, odd_mm, 10.0, 10.0, 10.0, 10.0)
    expected = None
    if uneven is not None:
        low, high = sorted((10.0, odd_mm))
        sentence = (
            f"Slices of the left ventricle stand for {low:.1f} to {high:.1f} mm of it each: "
            "the stack is unevenly spaced."
        )
        expected = Flag("slice_spacing", "review", sentence, 1, None, pytest.approx(uneven), 0.05)
    assert check_spacing(Heart(labels, Grid(labels.shape, np.eye(4), spans), 1)) == expected


def test_uneven_slices_are_measured_by_the_whole_stack_s_usual_length() -> None:
    """Slices of 8 and 10 mm show the ventricle, most of the others are 10 mm: 2 of 10."""
    labels = _labels((0, 0, 0, 8, 8, 8, 0))
    flag = check_spacing(Heart(labels, Grid(labels.shape, np.eye(4), (10.0, 10.0, 10.0, 8.0, 8.0, 10.0, 10.0)), 1))
    assert flag is not None
    assert flag.value == pytest.approx(0.2)
    empty = np.zeros_like(labels)
    assert check_spacing(Heart(empty, Grid(labels.shape, np.eye(4), (10.0, *(8.0,) * 6)), 1)) is None
