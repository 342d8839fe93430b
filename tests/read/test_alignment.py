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


IMAGE = Grid((4, 4, 2), np.array([[2.0, 0, 0, 10], [0, 2.0, 0, 20], [0, 0, 8.0, 30], [0, 0, 0, 1]]))
"""2 x 2 x 8 mm, its first voxel at (10, 20, 30)."""


def moved(*voxels: float, scale: tuple[float, ...] = (1, 1, 1)) -> np.ndarray:
    """The image's affine, shifted by some voxels of its own, its voxels scaled."""
    affine = IMAGE.affine @ np.diag([*scale, 1.0])
    affine[:3, 3] = (IMAGE.affine @ [*voxels, 1])[:3]
    return affine


@pytest.mark.parametrize(("shift", "n_notes"), [(0.5, 0), (0.51, 1)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_a_voxel_apart_is_one_grid(axis: int, shift: float, n_notes: int) -> None:
    array = np.zeros((1, 4, 4, 2), np.uint8)
    array[0, 1:3, 1:3, 1] = 1
    offset = [0.0, 0.0, 0.0]
    offset[axis] = -shift
    laid, notes = lay_on_grid(array, Grid((4, 4, 2), moved(*offset)), IMAGE)
    assert (len(notes), laid is array) == (n_notes, n_notes == 0)


def test_what_was_done_to_a_label_is_told_in_full() -> None:
    array = np.arange(32, dtype=np.uint8).reshape(1, 4, 4, 2) % 4
    _, notes = lay_on_grid(array[:, 1:3], Grid((2, 4, 2), moved(1, 0, 0)), IMAGE)
    assert notes == (
        "moved onto its image's grid by the affines, from 2 x 4 x 2 voxels of 2 x 2 x 8 mm to 4 x 4 x 2 voxels of "
        "2 x 2 x 8 mm; it covers 50% of its image, the rest is unlabelled",
    )
    fine = array.repeat(2, axis=1).repeat(2, axis=2)
    laid, notes = lay_on_grid(fine, Grid((8, 8, 2), moved(-0.25, -0.25, 0, scale=(0.5, 0.5, 1))), IMAGE)
    np.testing.assert_array_equal(laid, array)
    assert notes == (
        "moved onto its image's grid by the affines, from 8 x 8 x 2 voxels of 1 x 1 x 8 mm to 4 x 4 x 2 voxels of "
        "2 x 2 x 8 mm",
    )
    flipped = moved(3, 0, 0, scale=(-1, 1, 1))
    laid, notes = lay_on_grid(array[:, ::-1], Grid((4, 4, 2), flipped), IMAGE)
    np.testing.assert_array_equal(laid, array)
    assert notes == ("stored along other axes than its image; turned onto its grid",)


@pytest.mark.parametrize(("n_outside", "refused"), [(1, False), (2, True)])
def test_a_hundredth_of_what_is_drawn_may_be_lost(n_outside: int, refused: bool) -> None:
    image = Grid((10, 10, 2), IMAGE.affine)
    array = np.zeros((1, 11, 10, 2), np.uint8)
    array[0, :5, :10, :] = 1  # 100 voxels
    array[0, 0, 0, 0] = 0
    array[0, 10, :n_outside, 0] = 1
    if n_outside > 1:
        array[0, 1, 0, 0] = 0
    grid = Grid((11, 10, 2), IMAGE.affine)
    if not refused:
        laid, _ = lay_on_grid(array, grid, image)
        np.testing.assert_array_equal(laid, array[:, :10])
        return
    with pytest.raises(GridError) as caught:
        lay_on_grid(array, grid, image)
    assert str(caught.value) == (
        "a label must lie on its image, but 2% of what is drawn lies outside by the affines; copy the image's header "
        "to the label if it was drawn on this image"
    )


def test_what_lies_on_the_image_s_very_edge_is_not_outside() -> None:
    """Centres of voxels half a voxel before the first one and behind the last."""
    fine = np.ones((1, 5, 4, 2), np.uint8)
    affine = moved(-0.5, 0, 0)
    laid, _ = lay_on_grid(fine, Grid((5, 4, 2), affine), IMAGE)
    assert (laid == 1).all()
    with pytest.raises(GridError, match="40% of what is drawn lies outside"):
        lay_on_grid(fine, Grid((5, 4, 2), moved(-0.6, 0, 0, scale=(1.1, 1, 1)) @ np.diag([1.1, 1, 1, 1])), IMAGE)


def test_refusals_in_full() -> None:
    array = np.ones((1, 3, 4, 2), np.uint8)  # of one column too few
    save = "got (3, 4, 2); save the label with the image's affine"
    with pytest.raises(GridError) as caught:
        lay_on_grid(array, None, IMAGE)
    told = "a label whose header contradicts itself must have its image's shape (4, 4, 2)"
    assert str(caught.value) == f"{told}, {save}"
    with pytest.raises(GridError) as caught:
        lay_on_grid(array, Grid((3, 4, 2), np.eye(4)), IMAGE)
    told = "a label without a position of its own must have its image's shape (4, 4, 2) or extent"
    assert str(caught.value) == f"{told}, {save}"
    grid, image = (Grid((4, 4, 2), np.diag([2, 2, step_mm, 1.0])) for step_mm in (20, 8))
    with pytest.raises(GridError) as caught:
        lay_on_grid(np.ones((1, 4, 4, 2), np.uint8), grid, image)
    assert str(caught.value) == (
        "image and label must state one spacing, but the image's affine is lost (2 x 2 x 8 mm) and the label states "
        "another (2 x 2 x 20 mm); correct the image's header"
    )
    between = moved(0, 0, 0.55, scale=(1, 1, 0.1))
    with pytest.raises(GridError) as caught:
        lay_on_grid(np.ones((1, 4, 4, 3), np.uint8), Grid((4, 4, 3), between), IMAGE)
    told = "a label must lie on its image, but all that is drawn lies between the image's slices"
    assert str(caught.value) == told


def test_notes_on_lost_affines_in_full() -> None:
    array = np.ones((1, 4, 4, 2), np.uint8)
    lost = Grid((4, 4, 2), np.diag([-2, -2, 9, 1.0]))
    assert lay_on_grid(array, lost, IMAGE)[1] == (
        "its affine is lost; the image's is taken, for their shapes agree, though it states a spacing of 2 x 2 x 9 mm "
        "and its image 2 x 2 x 8 mm",
    )
    placed = Grid((4, 4, 2), moved(5, 0, 0))
    assert lay_on_grid(array, placed, Grid((4, 4, 2), np.diag([2, 2, 8, 1.0])))[1] == (
        "its image has no position; they are taken as one grid, for shapes and spacings agree",
    )


@pytest.mark.parametrize(
    ("affine", "lost"),
    [
        (np.diag([1.0, -1.0, 1.0, 1.0]), True),
        (np.diag([3.0, 3.0, 9.0, 1.0]), True),  # at exactly 0
        (np.array([[1.0, 0, 0, -7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), True),  # no spacing, be it somewhere
        (np.array([[3.0, 0, 0, -7], [0, 3, 0, 0], [0, 0, 9, 0], [0, 0, 0, 1]]), False),
        (np.array([[0, 1.0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), False),  # not along the axes
    ],
)
def test_which_affines_are_lost(affine: np.ndarray, lost: bool) -> None:
    """A label at another place than its image takes the image's only where it has none of its own."""
    array = np.zeros((1, 4, 4, 2), np.uint8)
    array[0, 1, 1, 0] = 1
    far = Grid((4, 4, 2), IMAGE.affine + np.array([[0, 0, 0, 500.0]] * 3 + [[0, 0, 0, 0]]))
    if lost:
        assert lay_on_grid(array, Grid((4, 4, 2), affine), far)[0] is array
    else:
        with pytest.raises(GridError, match="100% of what is drawn lies outside"):
            lay_on_grid(array, Grid((4, 4, 2), affine), far)


def test_phases_are_told_by_numbers() -> None:
    for have, want, told in ((1, 2, "1 phase and 2 phases"), (2, 1, "2 phases and 1 phase")):
        with pytest.raises(GridError) as caught:
            lay_on_phases(np.zeros((have, 1, 1, 1), np.uint8), want, None)
        assert str(caught.value) == (
            f"label and image must have the same phases, got {told}; draw on the cine, pair the label with the image "
            "of its phase, or state `drawn_phases`, the label's phases in the cine from 0"
        )
    same = np.zeros((2, 1, 1, 1), np.uint8)
    assert lay_on_phases(same, 2, [0]) is same
