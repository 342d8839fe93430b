"""Wall thickness: rings of known size, segments in their places whichever way the stack lies, the phantom's truth."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.measure.wall import SEGMENTS, measure_wall, segment_of, thickness_mm
from pipeline.phantom.anatomy import make_patient, section
from pipeline.phantom.study import make_cine

AFFINE = np.diag([-1.0, -1.0, 8.0, 1.0])  # X to the left, Y to the back, Z to the head: the picture's top is anterior


def _ring(shape: tuple[int, int], spacing: tuple[float, float], *, inner: float, outer: float) -> np.ndarray:
    x, y = np.meshgrid(
        *(mm * (np.arange(n) - (n - 1) / 2) for n, mm in zip(shape, spacing, strict=True)), indexing="ij"
    )
    radius = np.hypot(x, y)
    return np.where(radius < inner, 1, np.where(radius < outer, 2, 0)).astype(np.uint8)


def _heart(n_slices: int = 9) -> np.ndarray:
    """Rings of 20 and 30 mm, 2 mm thicker in the quarter at the picture's top; a right ventricle on its left side."""
    ring = _ring((120, 120), (1.0, 1.0), inner=20.0, outer=30.0)
    x, y = np.meshgrid(np.arange(120) - 59.5, np.arange(120) - 59.5, indexing="ij")
    top = (-y > np.abs(x)) & (np.hypot(x, y) < 32.0) & (ring == 0)
    ring[top] = 2
    right = (np.hypot(x + 30.0, y) < 24.0) & (ring == 0) & ~top
    ring[right] = 3
    cavity = np.repeat(ring[:, :, None], n_slices, axis=2)
    cavity[:, :, 0][np.hypot(x, y) < 12.0] = 1  # the apical slice: a smaller cavity
    cavity[:, :, 0][(np.hypot(x, y) >= 12.0) & (np.hypot(x, y) < 20.0)] = 2
    return cavity


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.4, 1.4), (1.0, 2.0)])
def test_a_ring_is_as_thick_as_drawn(spacing: tuple[float, float]) -> None:
    shape = (round(90 / spacing[0]), round(90 / spacing[1]))
    thickness = thickness_mm(_ring(shape, spacing, inner=22.0, outer=31.0), spacing)
    assert thickness.mean() == pytest.approx(9.0, abs=0.2 * max(spacing))  # the drawing itself is no finer
    assert np.abs(thickness - 9.0).max() < 1.1 * max(spacing)


def test_every_segment_has_its_place() -> None:
    turns = np.arange(0.5, 360.0, 1.0)
    for level, numbers in enumerate((range(1, 7), range(7, 13), range(13, 17))):
        found, counts = np.unique(segment_of(turns, level), return_counts=True)
        assert found.tolist() == list(numbers)
        assert set(counts) == {360 // len(numbers)}
    assert len(SEGMENTS) == 17


def test_the_thick_part_is_anterior() -> None:
    labels = np.stack([_heart(), _heart()])
    wall = measure_wall(labels, Grid(labels.shape[1:], AFFINE), ed=0, es=1)
    by_name = {s.name: s.ed_mm for s in wall.segments}
    assert by_name["mid anterior"] == pytest.approx(12.0, abs=0.7)
    assert by_name["mid inferior"] == pytest.approx(10.0, abs=0.2)
    assert by_name["mid inferolateral"] == pytest.approx(10.0, abs=0.2)
    assert by_name["apex"] is None
    assert wall.segments[6].thickening_percent == 0.0
    assert "segment 17" in wall.notes[0]


def _flipped(labels: np.ndarray, affine: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels at the same places, stored the other way round along an axis."""
    changed = affine.copy()
    changed[:3, 3] += changed[:3, axis] * (labels.shape[axis + 1] - 1)
    changed[:3, axis] *= -1
    return np.flip(labels, axis + 1), changed


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (0, 1, 2)])
def test_how_the_voxels_are_stored_does_not_matter(axes: tuple[int, ...]) -> None:
    study = make_cine(make_patient(3), n_phases=2, size=110, pixel_mm=1.6)
    labels, affine = study.label.array, np.array(study.label.grid.affine)
    expected = measure_wall(labels, study.label.grid, ed=0, es=1)
    for axis in axes:
        labels, affine = _flipped(labels, affine, axis)
    turned = measure_wall(labels, Grid(labels.shape[1:], affine), ed=0, es=1)
    for one, other in zip(expected.segments, turned.segments, strict=True):
        assert (one.ed_mm is None) == (other.ed_mm is None)
        if one.ed_mm is not None:
            assert other.ed_mm == pytest.approx(
                one.ed_mm, abs=0.35
            )  # rays start at the insertion's nearest three degrees


def test_rows_and_columns_may_change_places() -> None:
    labels = np.stack([_heart(), _heart()])
    swapped = AFFINE[:, [1, 0, 2, 3]]
    wall = measure_wall(labels.transpose(0, 2, 1, 3), Grid((120, 120, 9), swapped), ed=0, es=1)
    assert wall.segments[6].ed_mm == pytest.approx(12.0, abs=0.7)
    assert wall.segments[9].ed_mm == pytest.approx(10.0, abs=0.2)


@pytest.mark.parametrize("seed", [0, 4, 11])
def test_the_phantom_s_wall(seed: int) -> None:
    patient = make_patient(seed)
    study = make_cine(patient, n_phases=12, size=200, pixel_mm=1.4)
    ed, es = study.truth.ed_phase, study.truth.es_phase
    wall = measure_wall(study.label.array, study.label.grid, ed=ed, es=es)
    basal_depths = (5.0, 15.0)  # at least these slices are basal
    for phase, measured in ((ed, [s.ed_mm for s in wall.segments[:6]]), (es, [s.es_mm for s in wall.segments[:6]])):
        sections = [section(patient, depth_mm=depth, time=phase / 12) for depth in basal_depths]
        truth = np.mean([s.epicardium_mm - s.cavity_mm for s in sections])
        assert np.mean([mm for mm in measured if mm is not None]) == pytest.approx(truth, abs=0.5)
        assert all(mm is not None and abs(mm - truth) < 0.8 for mm in measured)


def test_an_open_wall_is_left_out_and_said() -> None:
    labels = np.stack([_heart(), _heart()])
    labels[:, 60:, 50:70, 8][labels[:, 60:, 50:70, 8] == 2] = 0
    wall = measure_wall(labels, Grid(labels.shape[1:], AFFINE), ed=0, es=1)
    assert "ED: slice(s) [9] left out" in wall.notes[1]
    assert wall.segments[0].ed_mm is not None  # the other basal slices are measured


def test_without_ventricles_nothing_is_measured() -> None:
    labels = np.zeros((2, 20, 20, 3), dtype=np.uint8)
    wall = measure_wall(labels, Grid((20, 20, 3), AFFINE), ed=0, es=1)
    assert {s.ed_mm for s in wall.segments} == {None}
    labels[:, 8:12, 8:12] = 1
    assert {s.ed_mm for s in measure_wall(labels, Grid((20, 20, 3), AFFINE), ed=0, es=1).segments} == {None}
