"""What is NaN or infinite: filled where it is little or outside, refused where it is not."""

import numpy as np
import pytest

from pipeline.core.errors import UnreadableError
from pipeline.read.voxels import fill_voxels


def image(n_phases=2, size=20, n_slices=3) -> np.ndarray:
    """Values that tell their place: 1000 t + 100 z + x."""
    t, x, _, z = np.indices((n_phases, size, size, n_slices))
    return (1000 * t + 100 * z + x + 5).astype(np.float32)


def test_finite_images_and_integers_pass_untouched():
    for array in (image(), image().astype(np.int16)):
        filled, notes = fill_voxels(array, path="a.nii")
        assert filled is array
        assert notes == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_few_within_take_the_nearest_value(value):
    array = image()
    array[1, 10, 7, 2] = value
    filled, notes = fill_voxels(array, path="a.nii")
    assert filled[1, 10, 7, 2] in (1000 + 200 + 9 + 5, 1000 + 200 + 10 + 5, 1000 + 200 + 11 + 5)
    filled[1, 10, 7, 2] = array[1, 10, 7, 2] = 0
    np.testing.assert_array_equal(filled, array)
    assert notes == (
        "1 voxel was NaN or infinite: 0 at the pictures' rim took the least value, 1 within took their nearest "
        "neighbour's",
    )
    assert filled.dtype == np.float32


def test_a_missing_rim_takes_the_least_value():
    array = image()
    array[:, :3] = np.nan
    array[:, :, -2:] = np.inf
    filled, notes = fill_voxels(array, path="a.nii")
    assert np.isfinite(filled).all()
    assert set(filled[:, :3].ravel()) == {8.0}  # x = 3, t = z = 0
    assert "564 at the pictures' rim" in notes[0]  # 2 x 3 x (3 x 20 + 17 x 2)


@pytest.mark.parametrize(
    "hole",
    [
        np.s_[:, :, :, :],  # all
        np.s_[0, :, :, 1],  # a slice of one phase
        np.s_[1, 6:14, 6:14, 2],  # the heart
        np.s_[:, :11, :, :],  # more than half, be it at the rim
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_much_is_refused_by_name(hole, value):
    array = image()
    array[hole] = value
    with pytest.raises(UnreadableError, match=r"NaN or infinite in slice \d of phase \d.*\[a\.nii\]"):
        fill_voxels(array, path="a.nii")


def test_the_first_bad_picture_is_named_and_all_are_counted():
    array = image()
    array[1, 6:14, 6:14, :] = np.nan
    with pytest.raises(UnreadableError, match=r"16\.0% NaN or infinite in slice 0 of phase 1.*in 3 of 6 pictures"):
        fill_voxels(array, path="a.nii")


@pytest.mark.parametrize(
    ("x", "y", "at_rim"),
    [
        (0, 7, True),
        (19, 7, True),
        (7, 0, True),
        (7, 19, True),
        (1, 7, False),
        (18, 7, False),
        (7, 1, False),
        (7, 18, False),
    ],
)
def test_what_touches_any_side_is_outside_and_what_does_not_is_within(x: int, y: int, at_rim: bool) -> None:
    array = image(1, n_slices=1) + 100
    array[0, 10, 10] = 3.0  # the least value, far from all of these
    array[0, x, y] = np.nan
    filled, notes = fill_voxels(array, path="a.nii")
    told = "1 at the pictures' rim took the least value, 0 within" if at_rim else "0 at the pictures' rim took"
    assert told in notes[0]
    assert abs(filled[0, x, y, 0] - (3.0 if at_rim else x + 105.0)) <= (0.0 if at_rim else 1.0)


def test_a_hundredth_within_is_filled_and_one_voxel_more_is_not() -> None:
    array = image(1, n_slices=1)
    array[0, 8:10, 8:10] = np.nan  # 4 of 400
    _, notes = fill_voxels(array, path="a.nii")
    assert notes == (
        "4 voxels were NaN or infinite: 0 at the pictures' rim took the least value, 4 within took their nearest "
        "neighbour's",
    )
    array[0, 10, 10] = np.nan
    with pytest.raises(UnreadableError) as caught:
        fill_voxels(array, path="a.nii")
    assert str(caught.value) == (
        "an image must hold numbers, got 1.2% NaN or infinite in slice 0 of phase 0 (at most 1% within a picture or "
        "50% at its rim are filled), and as bad or worse in 1 of 1 pictures; export it anew [a.nii]"
    )


def test_half_of_a_picture_may_lie_outside_and_no_more() -> None:
    array = image(1, n_slices=1)
    array[0, :10] = np.nan
    filled, _ = fill_voxels(array, path="a.nii")
    assert (filled[0, :10] == 15.0).all()  # the least of what is there: x = 10
    array[0, 10, 0] = np.nan
    array[0, 15, 15] = np.nan  # within: it counts into the share that is told
    with pytest.raises(UnreadableError, match=r"got 50\.5% NaN or infinite in slice 0 of phase 0"):
        fill_voxels(array, path="a.nii")


def test_an_image_without_a_file_is_refused_without_one() -> None:
    with pytest.raises(UnreadableError) as caught:
        fill_voxels(np.full((1, 2, 2, 1), np.nan), path="")
    assert caught.value.path is None


def test_each_slice_takes_its_own_neighbours() -> None:
    array = image().astype(np.float64)
    array[0, 10, 10, 0] = array[1, 5, 5, 2] = np.nan
    filled, _ = fill_voxels(array, path="a.nii")
    assert filled.dtype == np.float64
    assert abs(filled[0, 10, 10, 0] - 15.0) <= 1.0
    assert abs(filled[1, 5, 5, 2] - 1210.0) <= 1.0
