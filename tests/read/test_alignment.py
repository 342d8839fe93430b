"""Labels onto their image's grid: by property, over all orders and directions of the axes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.read.alignment import lay_on_grid, lay_on_phases

SHAPE = (7, 6, 5)
TURNS = [(order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)]


def rotated(seed: int) -> np.ndarray:
    """An oblique affine with three spacings and a place of its own."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = axes * [1.4, 1.5, 8.0]
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    return affine


def labels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (2, *SHAPE)).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TURNS), st.integers(0, 20), st.floats(0, 1e-4))
def test_turning_a_label_loses_no_voxel(turn: tuple, seed: int, rounding: float) -> None:
    order, signs = turn
    image, array = Grid(SHAPE, rotated(seed)), labels(seed)
    stored = array.transpose(0, *(axis + 1 for axis in order))
    affine = image.affine[:, [*order, 3]].copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            stored = np.flip(stored, axis + 1)
            affine[:3, 3] += affine[:3, axis] * (stored.shape[axis + 1] - 1)
            affine[:3, axis] *= -1
    affine[:3] += rounding
    laid, notes = lay_on_grid(stored, Grid(stored.shape[1:], affine), image)
    np.testing.assert_array_equal(laid, array)
    assert len(notes) == (turn != ((0, 1, 2), (1, 1, 1)))


@given(st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_a_box_cut_from_a_label_comes_back_to_its_place(seed: int) -> None:
    image, array = Grid(SHAPE, rotated(seed)), labels(seed)
    low = np.random.default_rng(seed).integers(0, 3, 3)
    cut = array[:, low[0] :, low[1] : 5, low[2] : 4]
    affine = image.affine.copy()
    affine[:3, 3] = (image.affine @ [*low, 1])[:3]
    laid, _ = lay_on_grid(cut, Grid(cut.shape[1:], affine), image)
    inside = laid != 255
    assert inside.sum() == cut.size
    np.testing.assert_array_equal(laid[inside], array[inside])


def test_an_isotropic_label_along_the_axes_from_an_image_without_a_place() -> None:
    image = Grid((4, 4, 2), np.diag([-2.0, -2.0, 8.0, 1.0]))
    array = np.zeros((1, 8, 8, 16), np.uint8)
    array[:, 2:6, 2:6, :12] = 1  # the last slice ends at 12 mm
    grid = Grid((8, 8, 16), np.diag([-1.0, -1.0, 1.0, 1.0]))
    laid, notes = lay_on_grid(array, grid, image)
    assert laid[0, :, :, 0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert "moved onto its image's grid" in notes[0]


def test_a_small_label_without_a_place_is_no_crop_of_the_first_corner() -> None:
    with pytest.raises(GridError, match="must have its image's shape"):
        lay_on_grid(np.ones((1, 3, 3, 2), np.uint8), Grid((3, 3, 2), np.eye(4)), Grid((4, 4, 2), np.diag([2, 2, 8, 1])))


def test_an_image_without_a_place_keeps_a_label_of_its_spacing() -> None:
    image = Grid(SHAPE, np.diag([1.4, 1.5, 8.0, 1.0]))
    laid, notes = lay_on_grid(labels(), Grid(SHAPE, rotated(3)), image)
    np.testing.assert_array_equal(laid, labels())
    assert "its image has no position" in notes[0]


def test_a_label_without_a_place_whose_spacing_is_another_says_so() -> None:
    laid, notes = lay_on_grid(labels(), Grid(SHAPE, np.diag([1.4, 1.5, 10.0, 1.0])), Grid(SHAPE, rotated(3)))
    np.testing.assert_array_equal(laid, labels())
    assert "its affine is lost" in notes[0]
    assert "spacing of 1.4 x 1.5 x 10 mm and its image 1.4 x 1.5 x 8 mm" in notes[0]


@pytest.mark.parametrize("image_mm", [(1.0, 1.0, 1.0), (1.4, 1.5, 8.0)])
def test_two_without_a_place_must_agree_on_their_spacing(image_mm: tuple[float, ...]) -> None:
    """The image's millimetres make the volumes; where the label alone knows them, or knows others, nothing is sure."""
    grid, image = Grid(SHAPE, np.diag([1.4, 1.5, 10.0, 1.0])), Grid(SHAPE, np.diag([*image_mm, 1.0]))
    with pytest.raises(GridError, match="must state one spacing"):
        lay_on_grid(labels(), grid, image)


def test_what_lies_between_slices_is_not_lost_in_silence() -> None:
    image = Grid((4, 4, 2), rotated(0))
    affine = image.affine @ np.diag([1, 1, 0.1, 1])
    affine[:3, 3] = (image.affine @ [0, 0, 0.55, 1])[:3]
    with pytest.raises(GridError, match="between the image's slices"):
        lay_on_grid(np.ones((1, 4, 4, 3), np.uint8), Grid((4, 4, 3), affine), image)


def test_a_label_without_a_grid_needs_its_image_s_shape() -> None:
    image = Grid(SHAPE, rotated(0))
    np.testing.assert_array_equal(lay_on_grid(labels(), None, image)[0], labels())
    with pytest.raises(GridError, match="contradicts itself"):
        lay_on_grid(labels()[:, 1:], None, image)


@pytest.mark.parametrize("drawn", [None, [0], [0, 1, 5], [0, 1, 2]])
def test_phases_that_nobody_names_are_refused(drawn: list[int] | None) -> None:
    with pytest.raises(GridError, match="got 2 phases and 4 phases"):
        lay_on_phases(labels(), 4, drawn)


def test_the_drawn_phases_of_a_label_that_holds_them_alone() -> None:
    laid = lay_on_phases(labels(), 4, [3, 1])
    np.testing.assert_array_equal(laid[[1, 3]], labels())
    assert (laid[[0, 2]] == 255).all()
