"""What no scanner makes is doubted; what scanners make is not."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.read.plausible import doubts_about


def doubts(spacing_mm: tuple[float, float, float], *, n_slices: int = 3, lean: float = 0.0) -> tuple[str, ...]:
    """Doubts about an image whose columns lean by `lean` mm along the rows for each mm."""
    array = np.arange(2 * 4 * 5 * n_slices).reshape(2, 4, 5, n_slices)
    affine = np.diag([*spacing_mm, 1.0])
    affine[0, 1] = lean * spacing_mm[1]
    return doubts_about(array, Grid((4, 5, n_slices), affine))


@pytest.mark.parametrize("spacing_mm", [(0.3, 6.0, 2.0), (1.4, 1.4, 25.0), (2.5, 0.6, 8.0)])
def test_what_scanners_make_is_not_doubted(spacing_mm: tuple[float, float, float]) -> None:
    assert doubts(spacing_mm) == ()


@pytest.mark.parametrize(
    ("spacing_mm", "told"),
    [
        ((0.29, 1.0, 8.0), "pixels of 0.29 x 1 mm are none of a cine (0.3 to 6 mm): volumes may be wrong"),
        ((1.0, 6.01, 8.0), "pixels of 1 x 6.01 mm are none of a cine (0.3 to 6 mm): volumes may be wrong"),
        ((1.0, 1.0, 1.99), "slices 1.99 mm apart are none of a cine (2 to 25 mm): volumes may be wrong"),
        ((1.0, 1.0, 80.0), "slices 80 mm apart are none of a cine (2 to 25 mm): volumes may be wrong"),
    ],
)
def test_spacings_beyond_any_cine_are(spacing_mm: tuple[float, float, float], told: str) -> None:
    assert doubts(spacing_mm) == (told,)


def test_the_step_of_a_single_slice_is_not_doubted() -> None:
    assert doubts((1.0, 1.0, 80.0), n_slices=1) == ()


def test_axes_that_lean() -> None:
    assert doubts((1.0, 1.0, 8.0), lean=np.tan(np.deg2rad(11.9))) == ()
    (told,) = doubts((1.0, 1.0, 8.0), lean=np.tan(np.deg2rad(30.0)))
    assert told == "the axes of the voxels are 30 degrees off right angles: volumes may be wrong"


def test_a_blank_image() -> None:
    grid = Grid((4, 5, 3), np.diag([1.5, 1.5, 8.0, 1.0]))
    assert doubts_about(np.full((2, 4, 5, 3), 7), grid) == ("all voxels have one value: there is nothing to see",)


def test_all_doubts_are_told_one_by_one() -> None:
    affine = np.diag([0.1, 9.0, 90.0, 1.0])
    affine[0, 1] = 9.0  # 45 degrees
    about_pixels, about_slices, about_axes, about_values = doubts_about(np.zeros((1, 4, 5, 3)), Grid((4, 5, 3), affine))
    assert about_pixels == "pixels of 0.1 x 12.73 mm are none of a cine (0.3 to 6 mm): volumes may be wrong"
    assert about_slices == "slices 90 mm apart are none of a cine (2 to 25 mm): volumes may be wrong"
    assert about_axes == "the axes of the voxels are 45 degrees off right angles: volumes may be wrong"
    assert about_values == "all voxels have one value: there is nothing to see"


@pytest.mark.parametrize(("lean_deg", "n_doubts"), [(11.99, 0), (12.01, 1), (-12.01, 1), (-11.99, 0)])
@pytest.mark.parametrize("axis", [1, 2])
def test_twelve_degrees_off_right_angles(axis: int, lean_deg: float, n_doubts: int) -> None:
    affine = np.diag([1.0, 1.0, 8.0, 1.0])
    affine[0, axis] = np.tan(np.deg2rad(lean_deg)) * affine[axis, axis]
    array = np.arange(60).reshape(1, 4, 5, 3)
    assert len(doubts_about(array, Grid((4, 5, 3), affine))) == n_doubts


def test_two_slices_have_a_distance_and_one_has_none() -> None:
    assert len(doubts((1.0, 1.0, 80.0), n_slices=2)) == 1
