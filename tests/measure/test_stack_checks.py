"""Each rule on the stack of slices: tripped by hand, and not by a tapering heart (the healthy: test_anatomy_checks)."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.measure.flags import Heart
from pipeline.measure.stack_checks import (
    check_apex,
    check_area_jumps,
    check_base,
    check_slice_shift,
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


def _heart(labels: np.ndarray, *, step_mm: float = 10.0) -> Heart:
    return Heart(labels, Grid(labels.shape, np.diag([-2.0, -2.0, step_mm, 1.0])), 1)


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
    assert (flag.rule, flag.severity, flag.phase, flag.slice) == ("area_jump", "review", 1, 3)
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
    assert (flag.rule, flag.slice) == ("slice_shift", 3)
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
    assert (flag.rule, flag.slice) == ("stack_apex", 0 if reverse else 3)
    assert flag.value == pytest.approx(0.64)


def test_a_stack_without_the_base() -> None:
    labels = _labels()[:, :, 1:]  # six slices show the cavity
    flag = check_base(_heart(labels))
    assert flag is not None
    assert (flag.rule, flag.slice, flag.value, flag.threshold) == ("stack_base", 0, 60.0, 70.0)
    assert check_base(_heart(labels, step_mm=12.0)) is None  # 72 mm are a whole ventricle


def test_distances_by_hand() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [9.0, 9.0]])
    far = distances_from_neighbours(points, shown=np.array([True, True, True, False]))
    np.testing.assert_allclose(far, [np.nan, 5.0, np.nan, np.nan])
    assert np.isnan(distances_from_neighbours(points[:1], shown=np.array([True]))).all()
