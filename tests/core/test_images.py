"""A cine: its parts fit each other, and nobody changes its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, SourceFrame, StudyFacts

GRID = Grid((4, 5, 3), np.eye(4))


def _sources(n_phases: int, n_slices: int) -> tuple[tuple[SourceFrame, ...], ...]:
    return tuple(tuple(SourceFrame(f"{t}-{z}.dcm", f"1.{t}.{z}") for z in range(n_slices)) for t in range(n_phases))


def test_phases_and_slices_are_counted() -> None:
    cine = Cine(np.zeros((2, 4, 5, 3)), GRID, times_ms=(0.0, 40.0), sources=_sources(2, 3))
    assert (cine.n_phases, cine.n_slices) == (2, 3)
    assert cine.facts == StudyFacts()
    assert cine.notes == ()


@pytest.mark.parametrize("shape", [(4, 5, 3), (1, 5, 4, 3), (1, 4, 5, 2), (1, 1, 4, 5, 3)])
def test_an_array_that_does_not_lie_on_the_grid_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(GridError, match=r"\(T, X, Y, Z\)"):
        Cine(np.zeros(shape), GRID)


@pytest.mark.parametrize("times_ms", [(), (0.0,), (0.0, 1.0, 2.0)])
def test_there_is_one_time_a_phase(times_ms: tuple[float, ...]) -> None:
    with pytest.raises(GridError, match=rf"2 values, got {len(times_ms)}"):
        Cine(np.zeros((2, 4, 5, 3)), GRID, times_ms=times_ms)


@pytest.mark.parametrize("sources", [(), _sources(1, 3), _sources(3, 3), _sources(2, 2), _sources(3, 2)])
def test_there_is_one_source_a_picture(sources: tuple[tuple[SourceFrame, ...], ...]) -> None:
    with pytest.raises(GridError, match="2 phases x 3 slices"):
        Cine(np.zeros((2, 4, 5, 3)), GRID, sources=sources)


def test_sources_with_a_slice_too_few_in_one_phase_are_refused() -> None:
    whole = _sources(2, 3)
    with pytest.raises(GridError, match="2 phases x 3 slices"):
        Cine(np.zeros((2, 4, 5, 3)), GRID, sources=(whole[0], whole[1][:2]))


def test_pixels_are_read_only_in_the_cine_and_not_copied() -> None:
    array = np.zeros((1, 4, 5, 3), np.int16)
    cine = Cine(array, GRID)
    with pytest.raises(ValueError, match="read-only"):
        cine.array[0, 0, 0, 0] = 1
    assert np.shares_memory(cine.array, array)
    assert cine.array.dtype == np.int16
    array[0, 0, 0, 0] = 1  # the caller's own array stays his to write
    assert cine.array[0, 0, 0, 0] == 1


def test_a_single_frame_file_holds_frame_one() -> None:
    assert SourceFrame("a.dcm", "1.2").frame_number == 1


def test_a_plane_is_its_picture_s_where_known_else_the_grid_s() -> None:
    """Columns lie 1.5 mm apart to the patient's left, rows 2 mm towards the feet, slices 8 mm to the front (RAS+)."""
    affine = np.array([[-1.5, 0, 0, 10.0], [0, 0, 8.0, 20.0], [0, -2.0, 0, 30.0], [0, 0, 0, 1.0]])
    known = SourceFrame("a.dcm", "1.2", position=(1.0, 2.0, 3.0), orientation=(0.8, 0.6, 0.0, 0.0, 0.0, -1.0))
    cine = Cine(np.zeros((1, 4, 5, 2)), Grid((4, 5, 2), affine), sources=((SourceFrame("b.dcm", "1.3"), known),))
    position, directions = cine.plane(0, 0)
    np.testing.assert_allclose(position, (-10.0, -20.0, 30.0))
    np.testing.assert_allclose(directions, (1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    position, directions = cine.plane(0, 1)
    np.testing.assert_allclose(position, (1.0, 2.0, 3.0))
    np.testing.assert_allclose(directions, (0.8, 0.6, 0.0, 0.0, 0.0, -1.0))
    alone = Cine(cine.array, cine.grid)
    np.testing.assert_allclose(alone.plane(0, 1)[0], (-10.0, -28.0, 30.0))
