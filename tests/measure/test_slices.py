"""The table of slices: areas by hand, spans that give the volumes, thirds, what counts where."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.slices import SliceAreas, SliceRow
from pipeline.measure.function import volumes_ml
from pipeline.measure.slices import measure_slices
from pipeline.measure.wall.aha import LEVELS
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.study import make_cine


def test_areas_by_hand() -> None:
    """Pixels of 2 x 1.5 mm: 3 mm2. The stack's axis is oblique, so the span is less than the step."""
    affine = np.diag([2.0, 1.5, 8.0, 1.0])
    affine[0, 2] = 6.0  # a step of 10 mm that gains 8
    labels = np.zeros((2, 10, 10, 2), dtype=np.uint8)
    labels[0, :4, :5, 0], labels[0, :2, :5, 1], labels[1, :1, :5, 0] = 1, 3, 2
    first, second = measure_slices(labels, Grid((10, 10, 2), affine), ed=0, es=1, in_motion=[1])
    assert first.ed.left_ventricle_cm2 == pytest.approx(0.6)
    assert second.ed.right_ventricle_cm2 == pytest.approx(0.3)
    assert first.es.myocardium_cm2 == pytest.approx(0.15)
    assert (first.span_mm, second.span_mm) == (8.0, 8.0)
    assert (first.in_volumes, first.in_motion, first.level, first.ed.thickness_mm) == (True, False, None, None)
    assert second.in_motion


def test_a_slice_that_shows_nothing_does_not_count() -> None:
    labels = np.zeros((2, 10, 10, 2), dtype=np.uint8)
    labels[1, :4, :4, 0], labels[:, 0, 0, 1] = 1, 255  # nobody has said what the last pixel is
    rows = measure_slices(labels, Grid((10, 10, 2), np.diag([1.0, 1.0, 8.0, 1.0])), ed=0, es=1)
    assert [row.in_volumes for row in rows] == [True, False]


def test_areas_times_spans_are_the_volumes_of_an_uneven_stack() -> None:
    study = make_cine(make_patient(2), n_phases=6, size=128, pixel_mm=2.0)
    spans = tuple(6.0 + z for z in range(study.label.n_slices))
    grid = Grid(study.label.grid.shape, study.label.grid.affine, spans)
    ed, es = study.truth.ed_phase, study.truth.es_phase
    rows = measure_slices(study.label.array, grid, ed=ed, es=es)
    volumes = volumes_ml(study.label.array, grid)
    for structure, per_phase in volumes.items():
        for phase, key in ((ed, "ed"), (es, "es")):
            total = sum(getattr(getattr(row, key), f"{structure}_cm2") * row.span_mm / 10.0 for row in rows)
            assert total == pytest.approx(per_phase[phase], rel=1e-4)
    assert [row.level for row in rows if row.level] == [*["apical"] * 3, *["mid"] * 3, *["basal"] * 3]
    assert {row.level for row in rows} <= {*LEVELS, None}
    for z, row in enumerate(rows):
        true = study.truth.wall_mm[0][z]
        assert (row.ed.thickness_mm is None) if true == 0 else row.ed.thickness_mm == pytest.approx(true, abs=0.4)


def test_four_decimals_of_areas_and_spans() -> None:
    """Pixels of 5/3 x 7/3 mm; 20 of cavity are 77.7778 mm2, 7 of wall 27.2222 and 3 of the right one 11.6667."""
    labels = np.zeros((2, 10, 10, 2), dtype=np.uint8)
    labels[0, :4, :5, 0], labels[0, 5, :7, 0], labels[0, 7, :3, 0] = 1, 2, 3
    first, second = measure_slices(labels, Grid((10, 10, 2), np.diag([5 / 3, 7 / 3, 10 / 3, 1.0])), ed=0, es=1)
    nothing = SliceAreas(0.0, 0.0, 0.0)
    assert first == SliceRow(0, None, 3.3333, SliceAreas(0.7778, 0.2722, 0.1167), nothing, True, False)
    assert second == SliceRow(1, None, 3.3333, nothing, nothing, False, False)


def _rings(n_slices: int) -> np.ndarray:
    """Rings of 16 to 22 mm in pixels of a mm, one phase."""
    far = np.hypot(*(np.indices((60, 60)) - 29.5))
    one = np.where(far < 16.0, 1, np.where(far < 22.0, 2, 0)).astype(np.uint8)
    return np.repeat(one[None, ..., None], n_slices, axis=3)


def test_thickness_has_two_decimals_and_an_open_wall_none() -> None:
    labels = np.concatenate([_rings(5)] * 2)
    labels[1, 40:, 25:35, 2][labels[1, 40:, 25:35, 2] == 2] = 0
    labels[:, :, :, 4] = 0
    rows = measure_slices(labels, Grid((60, 60, 5), np.diag([1.0, 1.0, 8.0, 1.0])), ed=0, es=1)
    thickness = rows[0].ed.thickness_mm
    assert thickness == pytest.approx(6.0, abs=0.1)
    assert thickness == round(thickness, 2) != round(thickness, 1)
    assert [row.ed.thickness_mm for row in rows] == [thickness] * 4 + [None]
    assert [row.es.thickness_mm for row in rows] == [thickness, thickness, None, thickness, None]
    assert [row.level for row in rows] == ["apical", "mid", "mid", "basal", None]


def test_slices_along_the_heart_have_areas_but_no_wall() -> None:
    labels = np.concatenate([_rings(4)] * 2)
    along = np.eye(4)
    along[:3, :3] = np.array([[1.0, -1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]).T  # X from apex to base, RAS
    rows = measure_slices(labels, Grid((60, 60, 4), along), ed=0, es=1)
    assert {(row.level, row.ed.thickness_mm) for row in rows} == {(None, None)}
    assert rows[0].ed.left_ventricle_cm2 > 0
