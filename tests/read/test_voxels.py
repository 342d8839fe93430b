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
