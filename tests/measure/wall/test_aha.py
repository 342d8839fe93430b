"""The AHA's segments: names, arcs, thirds."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measure.wall.aha import APEX, SEGMENTS, level_of, segment_of


def test_names_and_numbers() -> None:
    named = {n: SEGMENTS[n - 1] for n in (1, 3, 8, 12, 13, 14, 16, 17)}
    assert named == {
        1: "basal anterior",
        3: "basal inferoseptal",
        8: "mid anteroseptal",
        12: "mid anterolateral",
        13: "apical anterior",
        14: "apical septal",
        16: "apical lateral",
        17: "apex",
    }
    assert len(SEGMENTS) == APEX == 17


def test_every_segment_has_its_arc() -> None:
    turns = np.arange(0.5, 360.0, 1.0)
    for level, numbers in enumerate((range(1, 7), range(7, 13), range(13, 17))):
        found, counts = np.unique(segment_of(turns, level), return_counts=True)
        assert found.tolist() == list(numbers)
        assert set(counts) == {360 // len(numbers)}
        np.testing.assert_array_equal(segment_of(turns - 720.0, level), segment_of(turns, level))


def test_the_septum_is_what_follows_the_anterior_insertion() -> None:
    assert segment_of(np.array([1.0, 59.0, 61.0, 119.0, 121.0, -1.0]), 1).tolist() == [8, 8, 9, 9, 10, 7]
    assert segment_of(np.array([16.0, 60.0, 104.0, 106.0, 14.0]), 2).tolist() == [14, 14, 14, 15, 13]


@pytest.mark.parametrize(("n_slices", "counts"), [(3, [1, 1, 1]), (7, [2, 3, 2]), (8, [3, 2, 3]), (12, [4, 4, 4])])
def test_thirds(n_slices: int, counts: list[int]) -> None:
    assert np.bincount([level_of(place, n_slices) for place in range(n_slices)]).tolist() == counts
