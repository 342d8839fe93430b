"""Contours and chords of one slice: rings of known size, the view from the apex, the septum's ends."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.measure.rings import N_RAYS, chords_mm, frame_from_apex, septal_arc, trace_ring

ANGLES = 2 * np.pi * np.arange(N_RAYS) / N_RAYS
AXIAL = np.diag([-1.0, -1.0, 8.0, 1.0])  # X to the left, Y to the back, Z to the head


def _slice(frame: np.ndarray, *, inner: float = 22.0, outer: float = 31.0, right_mm: float = 26.0) -> np.ndarray:
    """A ring around the middle of a 130 mm picture, and a right ventricle to the left, 28 mm away."""
    shape = np.ceil(130.0 / np.abs(frame).sum(axis=0)).astype(int)
    index = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"), axis=-1)
    right, down = np.moveaxis(index @ frame.T, -1, 0)
    labels = np.where(np.hypot(right + 28.0, down) < right_mm, 3, 0)
    labels[np.hypot(right, down) < outer] = 2
    labels[np.hypot(right, down) < inner] = 1
    return labels.astype(np.uint8)


FRAMES = {
    "fine": np.diag([1.0, 1.0]),
    "oblong pixels": np.diag([1.0, 1.9]),
    "mirrored": np.diag([1.3, -1.3]),
    "sheared": np.array([[1.2, 0.4], [0.0, 1.2]]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_ring_is_as_thick_as_drawn(name: str) -> None:
    frame = FRAMES[name]
    ring = trace_ring(_slice(frame), frame)
    assert ring is not None
    assert ring.is_closed
    assert ring.endo_mm.mean() == pytest.approx(22.0, abs=0.15)
    thickness = chords_mm(ring.endo_mm[None], ring.epi_mm[None])
    assert thickness.mean() == pytest.approx(9.0, abs=0.15)
    assert np.abs(thickness - 9.0).max() < 1.5 * frame.max()  # contours of pixels have steps


def test_chords_cross_an_oblique_wall_squarely() -> None:
    """An ellipse's wall of 8 mm: rays cross it obliquely, and measure up to 16 % too much; chords do not."""
    normal = np.stack([np.cos(ANGLES) / 34.0, np.sin(ANGLES) / 18.0], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    endo = np.stack([34.0 * np.cos(ANGLES), 18.0 * np.sin(ANGLES)], axis=1)
    radii = []
    for outline in (endo, endo + 8.0 * normal):
        angle, radius = np.arctan2(outline[:, 1], outline[:, 0]) % (2 * np.pi), np.hypot(*outline.T)
        radii.append(np.interp(ANGLES, angle, radius, period=2 * np.pi)[None])
    along_rays = radii[1] - radii[0]
    assert along_rays.max() == pytest.approx(8.0 * 1.157, abs=0.01)
    np.testing.assert_allclose(chords_mm(*radii), 8.0, atol=0.12)


def test_a_gap_opens_the_ring_and_a_crescent_is_none() -> None:
    frame = np.eye(2)
    labels = _slice(frame)
    broken = np.where((labels == 2) & (np.arange(130)[:, None] > 80) & (abs(np.arange(130) - 65) < 4), 0, labels)
    ring = trace_ring(broken, frame)
    assert ring is not None
    assert not ring.is_closed
    assert trace_ring(np.zeros((8, 8), dtype=np.uint8), frame) is None
    crescent = np.where((labels == 1) & (np.hypot(*(np.indices((130, 130)) - 64.5 + [[[6]], [[0]]])) < 20), 0, labels)
    assert trace_ring(crescent, frame) is None


@pytest.mark.parametrize("name", FRAMES)
def test_the_septum_ends_where_the_circles_cross(name: str) -> None:
    frame = FRAMES[name]
    labels = _slice(frame)
    ring = trace_ring(labels, frame)
    assert ring is not None
    arc = septal_arc(labels, ring, frame)
    assert arc is not None
    half = np.degrees(np.arccos((31.0**2 + 28.0**2 - 26.0**2) / (2 * 31.0 * 28.0)))  # 52 degrees
    assert arc == pytest.approx((180.0 - half, 180.0 + half), abs=6.0)


def test_what_cannot_be_a_septum_is_none() -> None:
    frame = np.eye(2)
    for right_mm in (0.0, 4.5, 80.0):  # no right ventricle, its tip, one all around
        labels = _slice(frame, right_mm=right_mm)
        ring = trace_ring(labels, frame)
        assert ring is not None
        assert septal_arc(labels, ring, frame) is None


def test_the_view_is_from_the_apex_whatever_the_order_of_slices() -> None:
    grid = Grid((9, 9, 9), AXIAL)
    assert frame_from_apex(grid).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert frame_from_apex(Grid(grid.shape, AXIAL @ np.diag([1, 1, -1, 1]))).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert frame_from_apex(Grid(grid.shape, AXIAL @ np.diag([1, -1, 1, 1]))).tolist() == [[1.0, 0.0], [0.0, -1.0]]


def test_slices_along_the_heart_have_no_view() -> None:
    along = np.eye(4)
    along[:3, :3] = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 1]])  # RAS; the normal points forward, 55 degrees off
    assert frame_from_apex(Grid((9, 9, 9), along)) is not None
    along[:3, 0], along[:3, 1] = [1.0, -1.0, 1.0], [1.0, 0.0, 0.0]  # X from apex to base
    assert frame_from_apex(Grid((9, 9, 9), along)) is None
