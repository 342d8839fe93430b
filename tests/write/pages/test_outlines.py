"""Outlines are smooth, lie where the border is, and enclose what is measured."""

import re

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.measure import find_contours

from pipeline.write.pages.outlines import UNITS_PER_PIXEL, outline_path


def rings(path: str) -> list[np.ndarray]:
    """Points along each ring of a path, in pixels; eight a curve."""
    found = []
    for ring in path.split("z")[:-1]:
        start, steps = ring.removeprefix("M").split("q")
        at, points = np.array(start.split(), float), []
        for dx, dy, x, y in np.array(steps.split(), float).reshape(-1, 4):
            knot, end = at + np.array([dx, dy]), at + np.array([x, y])
            share = np.linspace(0, 1, 8, endpoint=False)[:, None]
            points.append((1 - share) ** 2 * at + 2 * share * (1 - share) * knot + share**2 * end)
            at = end
        np.testing.assert_allclose(at, np.array(start.split(), float))  # it ends where it began
        found.append(np.concatenate(points) / UNITS_PER_PIXEL)
    return found


def area(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def disc(radius: float, centre: tuple[float, float], size: int = 60) -> np.ndarray:
    x, y = np.mgrid[:size, :size] + 0.5  # of the pixels' centres
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize("radius", [3.0, 5.0, 8.3, 12.5, 20.0, 25.4])
@pytest.mark.parametrize("centre", [(30.0, 30.0), (29.6, 31.3)])
def test_a_discs_outline_is_nearer_to_the_circle_than_its_pixels_are(
    radius: float, centre: tuple[float, float]
) -> None:
    mask = disc(radius, centre)
    (ring,), (before,) = rings(outline_path(mask)), find_contours(mask.astype(float), 0.5)
    true = np.sqrt(mask.sum() / np.pi)  # of the circle of the area that its pixels happen to have
    off, off_before = (np.hypot(*(points - centre).T) - true for points in (ring, before + 0.5))
    assert np.abs(off).max() < 0.4
    assert np.sqrt(np.mean(off**2)) < 0.8 * np.sqrt(np.mean(off_before**2))


@pytest.mark.parametrize("radius", [8.3, 12.5, 20.0])
def test_an_outline_has_no_steps(radius: float) -> None:
    (ring,) = rings(outline_path(disc(radius, (30.2, 29.9))))
    along = np.roll(ring, -1, axis=0) - ring
    turn = np.angle(np.exp(1j * np.diff(np.unwrap(np.arctan2(along[:, 1], along[:, 0])))))
    assert abs(np.rad2deg(np.abs(turn)).max()) < 12  # a staircase turns by 45 degrees at once


def test_an_outline_encloses_the_area_of_its_pixels() -> None:
    mask = disc(12.3, (30, 30)) & ~disc(8.1, (30.4, 29.8)) | disc(2.2, (8, 50))
    for points, pixels in zip(
        sorted(rings(outline_path(mask)), key=area),
        (disc(2.2, (8, 50)).sum(), disc(8.1, (30.4, 29.8)).sum(), disc(12.3, (30, 30)).sum()),
        strict=True,
    ):
        assert area(points) == pytest.approx(float(pixels), abs=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_an_outline_stays_at_the_border_of_any_shape(seed: int) -> None:
    waves = np.fft.fft2(np.random.default_rng(seed).normal(size=(24, 24)))
    long_ones = np.hypot(*np.meshgrid(*[np.fft.fftfreq(24)] * 2)) < 0.12
    mask = np.pad(np.fft.ifft2(waves * long_ones).real > 0.1, 3)  # with tips and necks a pixel wide
    fine = np.kron(mask, np.ones((20, 20))) > 0
    far = np.where(fine, distance_transform_edt(fine), distance_transform_edt(~fine)) / 20
    off = [far[tuple((ring * 20).astype(int).T)] for ring in rings(outline_path(mask))]
    assert max(values.max() for values in off) < 1.25
    assert np.concatenate(off).mean() < 0.4


def test_small_pieces_and_the_pictures_edge() -> None:
    assert outline_path(np.zeros((3, 3), bool)) == ""
    assert len(rings(outline_path(np.eye(3, dtype=bool) & (np.arange(3) != 1)))) == 2
    (single,) = rings(outline_path(np.pad([[True]], ((2, 0), (1, 4)))))
    assert area(single) == pytest.approx(1.0, abs=0.1)
    np.testing.assert_allclose(single.mean(axis=0), (2.5, 1.5), atol=0.02)  # the pixel's centre
    (whole,) = rings(outline_path(np.ones((9, 7), bool)))
    assert area(whole) == pytest.approx(63.0, abs=0.5)
    assert not re.search(r"nan|inf", outline_path(np.ones((1, 7), bool)))
