"""Affine algebra by hand and by its laws; when two grids are one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.core.errors import GridError
from pipeline.core.geometry import (
    APEX_TO_BASE_LPS,
    Grid,
    affine_from_dicom,
    bounding_box,
    flip_ras_lps,
    plane_normal,
    slice_normal,
    spacing_of,
)

SMALL = st.floats(-100, 100, allow_subnormal=False)
SHEARED = np.array([[2.0, 1.0, 0.0, 5.0], [0.0, 3.0, 0.0, -6.0], [0.0, 4.0, 8.0, 7.0], [0.0, 0.0, 0.0, 1.0]])


@given(arrays(np.float64, (4, 4), elements=SMALL))
def test_between_ras_and_lps_and_back(affine: np.ndarray) -> None:
    np.testing.assert_array_equal(flip_ras_lps(flip_ras_lps(affine)), affine)


def test_lps_points_left_and_back() -> None:
    point = np.array([1.0, 2.0, 3.0, 1.0])
    assert (flip_ras_lps(SHEARED) @ point).tolist() == (np.array([-1, -1, 1, 1]) * (SHEARED @ point)).tolist()


def test_spacing_is_the_length_of_columns_not_of_rows() -> None:
    assert spacing_of(SHEARED) == pytest.approx((2.0, np.sqrt(26.0), 8.0))


@given(arrays(np.float64, 3, elements=SMALL), arrays(np.float64, 3, elements=SMALL))
def test_the_normal_has_unit_length_and_stands_on_the_plane(i: np.ndarray, j: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = i, j
    assume(np.linalg.norm(np.cross(i, j)) > 1e-3)
    normal = slice_normal(affine)
    assert np.linalg.norm(normal) == pytest.approx(1.0)
    assert abs(normal @ i) + abs(normal @ j) < 1e-6
    np.testing.assert_allclose(slice_normal(affine[:, [1, 0, 2, 3]]), -normal)  # the other way round, the other side


def test_the_normal_ignores_the_way_the_slices_are_stacked() -> None:
    assert slice_normal(SHEARED).tolist() == slice_normal(SHEARED @ np.diag([1.0, 1.0, -1.0, 1.0])).tolist()


def test_the_base_lies_to_the_right_back_and_head_of_the_apex() -> None:
    assert np.sign(APEX_TO_BASE_LPS).tolist() == [-1.0, 1.0, 1.0]
    assert np.linalg.norm(APEX_TO_BASE_LPS) == pytest.approx(1.0)


def test_a_dicom_pixel_lies_where_the_standard_says() -> None:
    """Column 3 of row 2 of slice 4, on an oblique plane with pixels that are not square, in LPS."""
    right, down, step = np.array([0.8, 0.6, 0.0]), np.array([0.0, 0.0, -1.0]), np.array([-5.4, 7.2, 0.5])
    affine = affine_from_dicom(
        position=(10.0, 20.0, 30.0), orientation=(*right, *down), pixel_spacing=(2.0, 1.5), slice_step=step
    )
    lps = np.array([10.0, 20.0, 30.0]) + 3 * 1.5 * right + 2 * 2.0 * down + 4 * step
    np.testing.assert_allclose(affine @ [3, 2, 4, 1], [-lps[0], -lps[1], lps[2], 1.0])
    assert affine[3].tolist() == [0, 0, 0, 1]


@given(arrays(bool, array_shapes(min_dims=1, max_dims=4, max_side=5)))
def test_the_box_holds_all_that_is_set_and_nothing_to_spare(mask: np.ndarray) -> None:
    box = bounding_box(mask)
    assert mask[box].sum() == mask.sum()
    for axis in range(mask.ndim):
        inside = np.moveaxis(mask[box], axis, 0)
        assert inside.size == 0 or (inside[0].any() and inside[-1].any())


def test_the_box_of_nothing_is_empty() -> None:
    assert bounding_box(np.zeros((2, 3, 4), bool)) == (slice(0, 0),) * 3


def test_a_grid_keeps_its_own_affine_and_nobody_changes_it() -> None:
    affine = np.eye(4)
    grid = Grid((np.int64(4), 5, 6), affine)  # type: ignore[arg-type]
    affine[0, 3] = 99.0
    assert grid.affine[0, 3] == 0.0
    assert [type(n) for n in grid.shape] == [int, int, int]
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 3] = 1.0


def test_the_least_grid_is_one_voxel() -> None:
    assert Grid((1, 1, 1), np.diag([-1.0, 1.0, 1.0, 1.0])).voxel_volume_ml == pytest.approx(0.001)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4, 4), (4, 0, 4), (4, 4, -1)])
def test_shapes_that_are_no_grid_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(GridError, match="3 positive counts"):
        Grid(shape, np.eye(4))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "affine",
    [np.eye(3), np.zeros((4, 4)), np.diag([1.0, np.nan, 1.0, 1.0]), np.diag([1.0, 1.0, np.inf, 1.0])],
)
def test_affines_that_cannot_be_inverted_are_refused(affine: np.ndarray) -> None:
    with pytest.raises(GridError, match="invertible 4x4"):
        Grid((4, 4, 4), affine)


def test_the_flattest_voxels_allowed() -> None:
    assert Grid((4, 4, 4), np.diag([1e-9, 1.0, 1.0, 1.0])).shape == (4, 4, 4)
    with pytest.raises(GridError, match="invertible"):
        Grid((4, 4, 4), np.diag([0.999e-9, 1.0, 1.0, 1.0]))


def test_shear_does_not_change_the_volume_of_a_voxel() -> None:
    grid = Grid((4, 4, 4), SHEARED)
    assert grid.voxel_volume_ml == pytest.approx(2.0 * 3.0 * 8.0 / 1000)
    assert grid.spacing_mm == pytest.approx((2.0, np.sqrt(26.0), 8.0))


GRID = Grid((11, 9, 5), SHEARED)


def _moved(*, by_mm: float, axis: int) -> Grid:
    affine = GRID.affine.copy()
    affine[axis, 3] += by_mm
    return Grid(GRID.shape, affine)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_hundredth_of_a_millimetre_is_the_same_place(axis: int, sign: int) -> None:
    assert GRID.matches(GRID)
    for other, same in (
        (_moved(by_mm=0.0099 * sign, axis=axis), True),
        (_moved(by_mm=0.0101 * sign, axis=axis), False),
    ):
        assert GRID.matches(other) is same
        assert other.matches(GRID) is same


def test_the_tolerance_itself_is_within() -> None:
    assert GRID.matches(_moved(by_mm=0.25, axis=0), tolerance_mm=0.25)
    assert not GRID.matches(_moved(by_mm=0.25, axis=0), tolerance_mm=0.2499)


@pytest.mark.parametrize("shape", [(10, 9, 5), (11, 10, 5), (11, 9, 6), (9, 11, 5)])
def test_another_shape_is_another_grid(shape: tuple[int, int, int]) -> None:
    assert GRID.matches(Grid(shape, GRID.affine), tolerance_mm=1e6) is False


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_farthest_corner_counts(axis: int) -> None:
    """Other spacing alone: nothing at the first voxel, and steps add up to the last one's."""
    affine = GRID.affine.copy()
    affine[0, axis] += 0.25
    far = 0.25 * (GRID.shape[axis] - 1)
    assert GRID.matches(Grid(GRID.shape, affine), tolerance_mm=far)
    assert not GRID.matches(Grid(GRID.shape, affine), tolerance_mm=far - 0.01)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_first_corner_counts(axis: int) -> None:
    """Apart at the first voxel, together at the last."""
    affine = GRID.affine.copy()
    affine[1, axis] -= 0.25
    affine[1, 3] += 0.25 * (GRID.shape[axis] - 1)
    far = 0.25 * (GRID.shape[axis] - 1)
    assert GRID.matches(Grid(GRID.shape, affine), tolerance_mm=far)
    assert not GRID.matches(Grid(GRID.shape, affine), tolerance_mm=far - 0.01)


def test_mirrored_grids_over_the_same_place_are_not_one() -> None:
    """They cover the same box, and every voxel lies elsewhere."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = GRID.shape[0] - 1
    assert not GRID.matches(Grid(GRID.shape, GRID.affine @ flip))


def test_the_normal_of_a_plane_is_rows_by_columns_and_of_unit_length() -> None:
    np.testing.assert_allclose(plane_normal((0.8, 0.6, 0.0, 0.0, 0.0, -1.0)), [-0.6, 0.8, 0.0])
    np.testing.assert_allclose(plane_normal((0.0, 0.0, -3.0, 1.6, 1.2, 0.0)), [0.6, -0.8, 0.0])


def test_spans_are_as_many_as_slices_and_give_each_its_share() -> None:
    affine = np.diag([1.0, 2.0, 8.0, 1.0])
    even = Grid((2, 2, 3), affine)
    np.testing.assert_allclose(even.voxel_volumes_ml, [0.016, 0.016, 0.016])
    np.testing.assert_allclose(Grid((2, 2, 3), affine, (8.0, 7.0, 4.0)).voxel_volumes_ml, [0.016, 0.014, 0.008])
    for spans in ((8.0, 8.0), (8.0, 0.0, 8.0), (8.0, -1.0, 8.0)):
        with pytest.raises(GridError, match="3 positive lengths"):
            Grid((2, 2, 3), affine, spans)
