"""Contours: files, areas against geometry, and the pixel convention against real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from pipeline.core.errors import UnreadableError
from pipeline.read.contours import coverage, rasterise, read_contour


def circle(radius: float, x: float, y: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def rectangle(left: float, right: float, top: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def test_file_is_read_and_counted_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("120.50 137.50\n120.50 137.00\n\n121.00 136.50\n")
    assert read_contour(path).tolist() == [[119.5, 136.5], [119.5, 136.0], [120.0, 135.5]]
    assert read_contour(path, first_pixel=0)[0].tolist() == [120.5, 137.5]


@pytest.mark.parametrize(
    "text", ["", "1 2\n", "1 2\n3 4\n", "1 2\n3\n5 6\n", "1 2 3\n1 2 3\n1 2 3\n", "a b\n", "1 nan\n" * 3]
)
def test_bad_files_are_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.txt"
    path.write_text(text)
    with pytest.raises(UnreadableError, match=r"c\.txt\]"):
        read_contour(path)


def test_absent_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"c\.txt\]"):
        read_contour(tmp_path / "c.txt")


def test_rectangle_on_pixel_borders_is_exact() -> None:
    mask = rasterise(rectangle(1.5, 4.5, 2.5, 3.5), shape=(8, 6))
    assert np.argwhere(mask).tolist() == [[2, 3], [3, 3], [4, 3]]


def test_x_is_the_first_axis() -> None:
    assert coverage(rectangle(-0.5, 3.5, -0.5, 0.5), shape=(5, 2)).tolist() == [[1, 0]] * 4 + [[0, 0]]


def test_quarter_pixel_has_coverage_one_quarter() -> None:
    fractions = coverage(rectangle(2.0, 2.5, 3.0, 3.5), shape=(6, 6))
    assert fractions[2, 3] == pytest.approx(0.25)
    assert fractions.sum() == pytest.approx(0.25)


@pytest.mark.parametrize("radius", [5.0, 10.0, 20.0])
def test_area_of_a_circle(radius: float) -> None:
    exact = np.pi * radius**2
    points = circle(radius, 30.3, 32.7)
    assert coverage(points, shape=(64, 64)).sum() == pytest.approx(exact, rel=2e-3)
    if radius >= 10:
        assert rasterise(points, shape=(64, 64)).sum() == pytest.approx(exact, rel=1e-2)


@given(x=st.floats(25, 39), y=st.floats(25, 39), width=st.floats(8, 20), height=st.floats(8, 20))
def test_area_of_a_rectangle_anywhere(x: float, y: float, width: float, height: float) -> None:
    points = rectangle(x - width / 2, x + width / 2, y - height / 2, y + height / 2)
    area = coverage(points, shape=(64, 64), supersampling=16).sum()
    assert area == pytest.approx(width * height, abs=(width + height) / 16 + 0.01)


def test_direction_and_start_do_not_matter() -> None:
    points = circle(9.0, 30.3, 32.7)
    mask = rasterise(points, shape=(64, 64))
    np.testing.assert_array_equal(rasterise(points[::-1], shape=(64, 64)), mask)
    np.testing.assert_array_equal(rasterise(np.roll(points, 77, axis=0), shape=(64, 64)), mask)


def test_parts_outside_are_cut_off() -> None:
    assert coverage(circle(5.0, -20.0, 8.0), shape=(16, 16)).sum() == 0
    half = coverage(circle(5.0, -0.5, 8.0), shape=(16, 16)).sum()
    assert half == pytest.approx(np.pi * 25 / 2, rel=1e-2)


def test_sunnybrook_counts_pixels_from_one(cmr_data: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    links = {"SCD0000101": "SC-HF-I-1", "SCD0000201": "SC-HF-I-2"}
    for study, drawn in links.items():
        found: dict[int, list[float]] = {0: [], 1: []}
        for path in sorted((cmr_data / "sunnybrook" / "contours" / drawn / "i-contours").glob("*.txt")):
            number = int(path.name.split("-")[2])
            dataset = pydicom.dcmread(cmr_data / "sunnybrook" / "dicom" / study / f"{number}.dcm")
            assert int(dataset.InstanceNumber) == number
            image = dataset.pixel_array.T.astype(float)
            for first_pixel, correlations in found.items():
                inside = coverage(read_contour(path, first_pixel=first_pixel), shape=image.shape)
                around = binary_dilation(inside > 0, iterations=4)
                correlations.append(float(np.corrcoef(inside[around], image[around])[0, 1]))
        assert np.mean(found[1]) > np.mean(found[0]) + 0.02
        assert np.mean(found[1]) > 0.7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 2\n3 4\n", "a contour needs at least 3 points, got 2"),
        ("1 2 3\n" * 3, "a contour must have two finite numbers, x and y, on each line"),
        ("1\n" * 3, "a contour must have two finite numbers, x and y, on each line"),
        ("1 2\n3 inf\n5 6\n", "a contour must have two finite numbers, x and y, on each line"),
        ("1 2\n3 4\nx 6\n", "a contour must have two numbers, x and y, on each line (could not convert string to "),
        ("1 2\n3 \u00b5\n5 6\n", "a contour must have two numbers, x and y, on each line ('ascii' codec"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "c.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableError) as caught:
        read_contour(path)
    assert str(caught.value).startswith(told)
    assert caught.value.path == path
    if not told.endswith((" ", "codec")):
        assert str(caught.value) == f"{told} [{path}]"


def test_three_points_are_a_contour_by_any_spelling_of_the_path(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("\n 1 1\n\n3\t1\n2 3.5 \n")
    assert read_contour(str(path)).tolist() == [[0.0, 0.0], [2.0, 0.0], [1.0, 2.5]]


def test_a_pixel_is_asked_at_8_by_8_points_unless_more_are_wanted() -> None:
    """A strip of 0.1 pixels has one of eight rows of points in it, or none of two."""
    strip = rectangle(-0.5, 0.5, 0.02, 0.12)
    assert coverage(strip, shape=(1, 1)).tolist() == [[0.125]]
    assert coverage(strip, shape=(1, 1), supersampling=2).tolist() == [[0.0]]


def test_half_a_pixel_is_one_and_less_is_none() -> None:
    assert rasterise(rectangle(-0.5, 0.0, -0.5, 0.5), shape=(1, 1)).tolist() == [[True]]
    assert rasterise(rectangle(-0.5, -0.1, -0.5, 0.5), shape=(1, 1)).tolist() == [[False]]
    assert rasterise(rectangle(-0.5, 0.0, 0.02, 0.12), shape=(1, 1), supersampling=1).tolist() == [[False]]


def test_a_polygon_beside_the_picture_covers_nothing() -> None:
    for points in (
        rectangle(-9.0, -0.6, 1, 3),
        rectangle(5.6, 9, 1, 3),
        rectangle(1, 3, -9, -0.6),
        rectangle(1, 3, 4.6, 9),
    ):
        assert coverage(points, shape=(6, 5)).tolist() == np.zeros((6, 5)).tolist()
    assert coverage(rectangle(-9, 9, -9, 9), shape=(6, 5)).tolist() == np.ones((6, 5)).tolist()
