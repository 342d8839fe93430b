import io
import itertools

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
    outline_path,
    sheet,
    sheet_columns,
    to_grey,
)


def points(path: str) -> list[list[tuple[float, float]]]:
    """Corners of each ring of a path in pixels, its start once more at the end."""
    rings = []
    for ring in path.removesuffix("z").split("z"):
        start, steps = ring.removeprefix("M").split("l")
        moves = np.array([[int(n) for n in start.split()], *np.array(steps.split(), int).reshape(-1, 2)])
        corners = np.cumsum(moves, axis=0) / 10
        rings.append([tuple(corner) for corner in (*corners.tolist(), corners[0].tolist())])
    return rings


def area(ring: list[tuple[float, float]]) -> float:
    """Shoelace formula, positive."""
    return abs(sum(x * v - u * y for (x, y), (u, v) in itertools.pairwise(ring))) / 2


def test_an_outline_lies_on_the_pixels_edges_and_cuts_the_corners() -> None:
    mask = np.zeros((8, 6), bool)
    mask[2:5, 1:3] = True  # pixels x 2 to 4, y 1 and 2: the rectangle from (2, 1) to (5, 3)
    (ring,) = points(outline_path(mask))
    assert {x for x, _ in ring} == {2.0, 2.5, 4.5, 5.0}
    assert {y for _, y in ring} == {1.0, 1.5, 2.5, 3.0}
    assert area(ring) == 6.0 - 4 * 0.125
    assert len(ring) - 1 == 8  # no points within straight lines


def test_holes_pieces_and_the_pictures_edge_give_closed_rings() -> None:
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    rings = points(outline_path(mask))
    assert sorted(area(ring) for ring in rings) == [0.5, 24.5]
    assert outline_path(np.zeros((3, 3), bool)) == ""
    assert len(points(outline_path(np.eye(3, dtype=bool) & (np.arange(3) != 1)))) == 2


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
