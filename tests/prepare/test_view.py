"""Which side of the heart a stack is seen from, whatever its slices' order, pixels and place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.core.geometry import APEX_TO_BASE_LPS, flip_ras_lps
from pipeline.prepare.view import is_mirrored

COSINES = arrays(np.float64, (3, 3), elements=st.floats(-1, 1, allow_subnormal=False))


def _affine(axes: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = axes
    return affine


def _along_the_heart(axes: np.ndarray) -> float:
    """How far the slices' normal points from apex to base."""
    normal = np.cross(*flip_ras_lps(_affine(axes))[:3, :2].T)
    return float(normal @ APEX_TO_BASE_LPS)


@pytest.mark.parametrize(
    ("right", "down", "mirrored"),
    [
        ((1, 0, 0), (0, 1, 0), False),  # LPS: axial, rows to the left, columns to the back
        ((1, 0, 0), (0, -1, 0), True),
        ((0, 1, 0), (1, 0, 0), True),
        ((0.64, 0.77, 0), (0.33, -0.28, -0.9), False),  # a usual short axis: its normal to the right, back and head
        ((0.33, -0.28, -0.9), (0.64, 0.77, 0), True),
    ],
)
def test_seen_from_the_apex_or_from_the_base(right, down, mirrored: bool) -> None:
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = right, down, np.cross(right, down)
    assert is_mirrored(flip_ras_lps(lps)) is mirrored


@given(COSINES)
def test_a_flip_in_the_plane_is_seen_and_one_along_the_stack_is_not(axes: np.ndarray) -> None:
    assume(abs(_along_the_heart(axes)) > 1e-3)
    seen = is_mirrored(_affine(axes))
    assert is_mirrored(_affine(axes * [-1, 1, 1])) is not seen
    assert is_mirrored(_affine(axes * [1, -1, 1])) is not seen
    assert is_mirrored(_affine(axes[:, [1, 0, 2]])) is not seen
    assert is_mirrored(_affine(axes * [-1, -1, 1])) is seen
    assert is_mirrored(_affine(axes * [1, 1, -1])) is seen


@given(COSINES, st.floats(0.1, 9), st.floats(0.1, 9))
def test_the_size_and_the_place_of_pixels_do_not_matter(axes: np.ndarray, width: float, height: float) -> None:
    assume(abs(_along_the_heart(axes)) > 1e-3)
    moved = _affine(axes * [width, height, 1.0])
    moved[:3, 3] = [100.0, -200.0, 300.0]
    assert is_mirrored(moved) is is_mirrored(_affine(axes))
