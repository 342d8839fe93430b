import io

import numpy as np
import pytest
from PIL import Image

from pipeline.core.labels import LV
from pipeline.phantom.study import PhantomStudy
from pipeline.write.pages.pictures import (
    brightness_range,
    direction_letters,
    heart_window,
    jpeg,
    sheet,
    sheet_columns,
    stored_range,
    to_grey,
)


def test_the_window_holds_every_phase_and_stays_in_the_picture() -> None:
    labels = np.zeros((2, 40, 30, 2), np.uint8)
    labels[0, 0:4, 10:14, 0] = 1
    labels[1, 8:10, 25:30, 1] = 3
    assert heart_window(labels, 0.0) == (slice(0, 14), slice(6, 30))
    assert heart_window(labels * 0) == (slice(0, 40), slice(0, 30))


def test_a_sheet_shows_slices_as_dicom_does() -> None:
    volume = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    tiles = sheet(volume, sheet_columns(5) - 2)
    assert tiles.shape == (6, 6)
    for z in range(5):
        row, column = divmod(z, 3)
        np.testing.assert_array_equal(
            tiles[3 * row : 3 * row + 3, 2 * column : 2 * column + 2], volume[:, :, z].T, err_msg=str(z)
        )
    assert not tiles[3:, 4:].any()


def test_brightness_is_clipped_and_one_value_is_black() -> None:
    image = np.concatenate([np.full(10, -5000.0), np.linspace(0, 100, 980), np.full(10, 9000.0)])
    low, high = brightness_range(image)
    assert -5000 <= low <= 1
    assert 99 <= high <= 9000
    assert not to_grey(np.full((2, 2), 7), (7.0, 7.0)).any()
    assert to_grey(np.array([-32768, 32767], np.int16), (-32768.0, 32767.0)).tolist() == [0, 255]


def test_more_is_stored_than_is_shown_but_half_the_grey_levels_are_left_for_that() -> None:
    assert stored_range(np.array([0.0, 10.0, 20.0, 24.0]), (10.0, 20.0)) == pytest.approx((5.0, 24.0), abs=0.02)
    assert stored_range(np.array([9.0, 10.0, 20.0, 900.0]), (10.0, 20.0)) == pytest.approx((9.0, 25.0), abs=0.02)
    assert stored_range(np.full(9, 7.0), (7.0, 7.0)) == (7.0, 7.0)


def test_a_jpeg_is_grey_and_close(phantom: PhantomStudy) -> None:
    grey = to_grey(phantom.image.array, brightness_range(phantom.image.array))[0, :, :, 4]
    with Image.open(io.BytesIO(jpeg(grey))) as picture:
        assert picture.mode == "L"
        assert np.abs(np.asarray(picture, float) - grey).mean() < 4
    assert (phantom.label.array == LV.value).any()


@pytest.mark.parametrize(
    ("direction", "letters"),
    [((1, 0, 0), "R"), ((-1, 0, 0), "L"), ((0, 2, 0), "A"), ((0, 0, -1), "F"), ((-0.6, 0.3, 0.74), "HL")],
)
def test_directions_are_named_by_the_patients_axes(direction: tuple[float, ...], letters: str) -> None:
    assert direction_letters(np.array(direction)) == letters
