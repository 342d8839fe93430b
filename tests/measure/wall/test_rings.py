"""Contours of one slice: rings of known size, the view from the apex, the septum's ends."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import APEX_TO_BASE_LPS, Grid, flip_ras_lps
from pipeline.measure.wall.centreline import chords_mm
from pipeline.measure.wall.rings import N_RAYS, Ring, frame_from_apex, septal_arc, trace_ring

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


def _grid_along(cosine: float) -> Grid:
    """A stack whose slices' normal is at this cosine to the heart's usual axis."""
    across = np.cross(APEX_TO_BASE_LPS, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    normal = cosine * APEX_TO_BASE_LPS + np.sqrt(1 - cosine**2) * across
    i = np.cross(normal, [1.0, 0.0, 0.0])
    i /= np.linalg.norm(i)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = i, np.cross(normal, i), normal
    return Grid((9, 9, 9), flip_ras_lps(lps))


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_view_is_told_up_to_a_cosine_of_three_tenths(sign: int) -> None:
    assert frame_from_apex(_grid_along(sign * 0.299)) is None
    frame = frame_from_apex(_grid_along(sign * 0.301))
    assert frame is not None
    np.testing.assert_allclose(frame, np.diag([1.0, sign]), atol=1e-12)


def test_a_frame_keeps_lengths_and_angles_in_the_plane() -> None:
    affine = AXIAL.copy()
    affine[:3, 0], affine[:3, 1] = [-1.2, 0.3, 0.1], [0.5, -1.9, 0.2]
    frame = frame_from_apex(Grid((9, 9, 9), affine))
    assert frame is not None
    np.testing.assert_allclose(frame.T @ frame, affine[:3, :2].T @ affine[:3, :2])
    assert frame[0, 0] > 0  # i points to the right
    assert frame[1, 0] == 0
    for signs in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        flipped = frame_from_apex(Grid((9, 9, 9), affine @ np.diag([*signs, 1.0, 1.0])))
        assert flipped is not None
        np.testing.assert_allclose(np.abs(flipped), np.abs(frame))
        assert not np.signbit(flipped[1, 0])  # nothing, and not minus nothing
    mirrored = frame_from_apex(Grid((9, 9, 9), affine @ np.diag([-1.0, 1.0, 1.0, 1.0])))
    assert mirrored is not None
    np.testing.assert_allclose(mirrored, frame * [1.0, -1.0])


def _square(side: int, wall: int, *, size: int = 40) -> np.ndarray:
    """A square cavity in a square wall; its corner at (10, 12)."""
    labels = np.zeros((size, size), dtype=np.uint8)
    labels[10 - wall : 10 + side + wall, 12 - wall : 12 + side + wall] = 2
    labels[10 : 10 + side, 12 : 12 + side] = 1
    return labels


def test_a_square_by_hand() -> None:
    """A cavity of 8 pixels and a wall of 3, seen along the axes of oblong pixels; edges lie between pixels' centres."""
    ring = trace_ring(_square(8, 3), np.diag([1.0, 2.0]))
    assert ring is not None
    assert ring.centre.tolist() == [13.5, 15.5]
    quarter = N_RAYS // 4
    assert ring.endo_mm[::quarter].tolist() == pytest.approx([4.0, 8.0, 4.0, 8.0])
    assert ring.epi_mm[::quarter].tolist() == pytest.approx([7.0, 14.0, 7.0, 14.0])
    assert ring.endo_mm.shape == ring.epi_mm.shape == (N_RAYS,)
    diagonal = N_RAYS // 8
    plain = trace_ring(_square(8, 3), np.eye(2))
    assert plain is not None
    assert plain.endo_mm[diagonal] == pytest.approx(4.0 * np.sqrt(2), abs=0.4)  # the corner is cut by half a pixel
    assert plain.endo_mm[diagonal] < 4.0 * np.sqrt(2)


def test_rays_run_from_right_towards_down() -> None:
    """A cross of two bars, whose centroid is at another distance from each of its edges."""
    labels = np.zeros((40, 40), dtype=np.uint8)
    labels[10:30, 18:22] = 1  # along i
    labels[24:28, 14:30] = 1  # along j
    ring = trace_ring(labels, np.eye(2))
    assert ring is not None
    assert ring.centre.tolist() == [21.75, 20.5]
    assert ring.endo_mm[:: N_RAYS // 4].tolist() == pytest.approx([7.75, 1.0, 12.25, 3.0])
    mirrored = trace_ring(labels, np.diag([1.0, -1.0]))
    assert mirrored is not None
    np.testing.assert_allclose(mirrored.endo_mm, np.roll(ring.endo_mm[::-1], 1))


def test_where_in_the_picture_the_ring_lies_does_not_matter() -> None:
    labels = _square(8, 3)
    for move in ((-7, -9), (19, 17), (0, 5)):  # to the borders
        ring, moved = (trace_ring(one, np.diag([1.0, 1.5])) for one in (labels, np.roll(labels, move, axis=(0, 1))))
        assert ring is not None
        assert moved is not None
        np.testing.assert_allclose(moved.centre, ring.centre + move)
        np.testing.assert_allclose(moved.endo_mm, ring.endo_mm, atol=1e-6)
        np.testing.assert_allclose(moved.epi_mm, ring.epi_mm, atol=1e-6)


def test_crumbs_beside_the_heart_do_not_move_its_outlines() -> None:
    labels = _square(8, 3)
    ring = trace_ring(labels, np.eye(2))
    labels[35:37, 12:20] = 2
    crumbed = trace_ring(labels, np.eye(2))
    assert ring is not None
    assert crumbed is not None
    np.testing.assert_allclose(crumbed.epi_mm, ring.epi_mm)
    labels[labels == 3] = 0
    labels[2:5, 30:33] = 3  # nor does the right ventricle
    beside = trace_ring(labels, np.eye(2))
    assert beside is not None
    np.testing.assert_allclose(beside.epi_mm, ring.epi_mm)


def test_an_outline_that_a_ray_crosses_several_times_counts_at_its_farthest() -> None:
    labels = _square(8, 3)
    labels[21:30, 18] = 2  # a hook: out from the wall's side at i = 20 ...
    labels[29, 10:19] = 2  # ... and back across the ray to the right
    ring = trace_ring(labels, np.eye(2))
    assert ring is not None
    assert ring.epi_mm[0] == pytest.approx(29.5 - 13.5)
    assert ring.endo_mm[0] == pytest.approx(4.0)


@pytest.mark.parametrize(("wall", "closed"), [(0, False), (1, True), (2, True)])
@pytest.mark.parametrize("pixel_mm", [0.5, 1.0, 3.0])
def test_a_wall_of_one_pixel_closes_the_ring(wall: int, closed: bool, pixel_mm: float) -> None:
    ring = trace_ring(_square(8, wall), pixel_mm * np.eye(2))
    assert ring is not None
    assert ring.is_closed is closed


@pytest.mark.parametrize(("height_mm", "closed"), [(0.245, False), (0.255, True)])
def test_a_wall_of_half_a_pixel_closes_the_ring(height_mm: float, closed: bool) -> None:
    """Pixels of 1 x 0.25 mm are squares of 0.5 mm by their area, and a wall of one is half as thick from below."""
    ring = trace_ring(_square(8, 1), np.diag([1.0, height_mm]))
    assert ring is not None
    assert (ring.epi_mm - ring.endo_mm).min() == pytest.approx(height_mm)
    assert ring.is_closed is closed


def test_one_missing_pixel_opens_the_ring() -> None:
    labels = _square(8, 1)
    labels[18, 15:17] = 0
    ring = trace_ring(labels, np.eye(2))
    assert ring is not None
    assert not ring.is_closed
    assert ring.epi_mm[0] == pytest.approx(ring.endo_mm[0])


RING = Ring(np.array([125.0, 120.0]), np.full(N_RAYS, 90.0), np.full(N_RAYS, 100.0), is_closed=True)
"""So large that every ray ends at a pixel of its own."""


def _touched(rays: list[int], *, beyond: float = 1.0, frame: np.ndarray | None = None) -> np.ndarray:
    """Right cavity of one pixel at the end of each of these rays, so many pixels beyond the epi."""
    labels = np.zeros((260, 260), dtype=np.uint8)
    ends = (100.0 + beyond) * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)[rays]
    i, j = np.round(RING.centre + ends @ np.linalg.inv(np.eye(2) if frame is None else frame).T).astype(int).T
    labels[i, j] = 3
    return labels


@pytest.mark.parametrize(
    ("rays", "arc"),
    [
        (range(10, 21), (30.0, 60.0)),  # 30 degrees
        (range(10, 20), None),  # 27
        (range(10, 77), (30.0, 228.0)),  # 198
        (range(10, 78), None),  # 201
        ([10, 40, 70], (30.0, 210.0)),  # contact may be lost between
        ([*range(110, 120), *range(0, 11)], (330.0, 390.0)),  # across the ray to the right
        ([0, 15, 30], (0.0, 90.0)),
        ([100, 119], (300.0, 357.0)),
        ([119, 0, 12], (357.0, 396.0)),
        ([40], None),
        ([], None),
    ],
)
def test_the_septum_runs_over_what_the_free_wall_leaves(rays, arc: tuple[float, float] | None) -> None:
    found = septal_arc(_touched(list(rays)), RING, np.eye(2))
    assert found == (None if arc is None else pytest.approx(arc))


@pytest.mark.parametrize(("beyond", "touches"), [(0.6, True), (2.0, True), (3.0, False), (-1.0, False)])
def test_contact_is_within_two_pixels_outside_the_epi(beyond: float, touches: bool) -> None:
    """Told on the rays along the axes, where pixels lie in whole steps."""
    rays = [0, 30, 60]
    assert (septal_arc(_touched(rays, beyond=beyond), RING, np.eye(2)) is not None) is touches


@pytest.mark.parametrize(
    ("epi_mm", "pixel", "touches"),
    [(100.505, 103, True), (100.495, 103, False), (100.495, 102, True), (101.505, 104, True), (101.505, 101, False)],
)
def test_contact_is_looked_for_as_far_as_two_pixels(epi_mm: float, pixel: int, touches: bool) -> None:
    """A pixel reaches from half before its centre to half behind it."""
    ring = Ring(RING.centre, RING.endo_mm, np.full(N_RAYS, epi_mm), is_closed=True)
    labels = _touched([0, 30, 60], beyond=pixel - 100)
    assert (septal_arc(labels, ring, np.eye(2)) is not None) is touches


@pytest.mark.parametrize("pixel_mm", [0.5, 4.0])
def test_contact_is_told_in_pixels_of_any_size(pixel_mm: float) -> None:
    frame = pixel_mm * np.eye(2)
    ring = Ring(RING.centre, pixel_mm * RING.endo_mm, pixel_mm * RING.epi_mm, is_closed=True)
    for beyond, touches in ((2.0, True), (3.0, False)):
        assert (septal_arc(_touched([0, 30, 60], beyond=beyond), ring, frame) is not None) is touches


def test_only_the_right_ventricle_makes_a_septum() -> None:
    labels = _touched(list(range(10, 40)))
    assert septal_arc(np.where(labels == 3, 2, 0), RING, np.eye(2)) is None


def test_the_septum_of_a_mirrored_picture_is_mirrored() -> None:
    labels = _touched(list(range(10, 21)))
    found = septal_arc(labels, RING, np.diag([1.0, -1.0]))
    assert found == pytest.approx((300.0, 330.0))
