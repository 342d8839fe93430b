"""The grid of another spacing lies around the same middle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.prepare.resample import centred_grid


@given(st.integers(1, 300), st.floats(0.5, 3.0), st.floats(0.5, 3.0))
def test_the_middle_stays_and_the_extent_is_nearly_the_same(size: int, stored_mm: float, wanted_mm: float) -> None:
    affine = np.diag([stored_mm, stored_mm, 8.0, 1.0])
    affine[:3, 3] = -3.0, 5.0, 7.0
    shape, made = centred_grid((size, size, 4), affine, (wanted_mm, wanted_mm, -1))
    for grid, matrix in (((size, size, 4), affine), (shape, made)):
        middle = matrix @ [*(np.array(grid) - 1) / 2, 1.0]
        np.testing.assert_allclose(middle, affine @ [(size - 1) / 2, (size - 1) / 2, 1.5, 1.0], atol=1e-9)
    assert abs((shape[0] - 1) * wanted_mm - (size - 1) * stored_mm) <= 0.502 * wanted_mm
    assert shape[2] == 4


@pytest.mark.parametrize("mm", [5.99999, 6.0, 6.00001])
def test_a_headers_rounding_does_not_decide_the_size(mm: float) -> None:
    """39 steps of 6 mm are 58.5 of 4 mm."""
    shape, _ = centred_grid((40, 40, 4), np.diag([mm, mm, 8.0, 1.0]), (4.0, 4.0, -1))
    assert shape == (59, 59, 4)


def test_an_oblique_affine_keeps_its_directions() -> None:
    affine = np.array([[-1.2, 0.0, 4.8, -10.0], [-0.9, 0.0, -6.4, -20.0], [0.0, -2.0, 0.0, 30.0], [0.0, 0.0, 0.0, 1.0]])
    shape, made = centred_grid((5, 4, 3), affine, (3.0, 1.0, 0.0))
    assert shape == (3, 7, 3)
    np.testing.assert_allclose(made[:3, 0], [-2.4, -1.8, 0.0])
    np.testing.assert_allclose(made[:3, 1], [0.0, 0.0, -1.0])
    np.testing.assert_allclose(made[:3, 2], affine[:3, 2])
