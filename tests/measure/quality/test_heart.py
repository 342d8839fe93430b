"""A heart's areas, volumes and ends, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.measure.quality.heart import Heart, name_slices


def _labels() -> np.ndarray:
    """Cavity of 0, 4, 6 and 2 pixels in four slices, wall of 3 in the first, some unlabelled."""
    labels = np.zeros((6, 5, 4), dtype=np.uint8)
    labels[:4, 0, 1] = labels[:6, 1, 2] = labels[:2, 2, 3] = 1
    labels[:3, 4, 0] = 2
    labels[5, 4, 3] = 255
    return labels


def test_areas_and_volumes_by_hand() -> None:
    heart = Heart(_labels(), Grid((6, 5, 4), np.diag([-2.0, 1.5, 10.0, 1.0])), 0)
    assert heart.areas_mm2["left_ventricle"].tolist() == [0, 12, 18, 6]
    assert heart.areas_mm2["right_ventricle"].sum() == 0
    assert heart.volumes_ml == pytest.approx({"left_ventricle": 0.36, "myocardium": 0.09, "right_ventricle": 0})
    assert heart.left_heart.sum() == 15


def test_areas_do_not_depend_on_how_the_stack_lies() -> None:
    turn = np.eye(4)
    turn[:3, :3] = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    heart = Heart(_labels(), Grid((6, 5, 4), turn @ np.diag([2.0, 1.5, 10.0, 1.0])), 0)
    assert heart.areas_mm2["left_ventricle"] == pytest.approx([0, 12, 18, 6])


def test_the_base_is_the_end_with_the_larger_section() -> None:
    grid = Grid((6, 5, 4), np.eye(4))
    assert Heart(_labels(), grid, 0).basal_slice == 1
    assert Heart(_labels()[:, :, ::-1], grid, 0).basal_slice == 2
    assert Heart(np.zeros_like(_labels()), grid, 0).basal_slice is None


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(GridError, match="grid's shape"):
        Heart(_labels()[:5], Grid((6, 5, 4), np.eye(4)), 0)


def test_of_two_ends_alike_the_first_is_the_base() -> None:
    labels = _labels()
    labels[:, :, 3] = labels[:, :, 1]
    assert Heart(labels, Grid((6, 5, 4), np.eye(4)), 0).basal_slice == 1


def test_both_shapes_are_told() -> None:
    with pytest.raises(GridError, match=r"^a phase's labels must have the grid's shape \(6, 5, 4\), got \(5, 5, 4\)$"):
        Heart(_labels()[:5], Grid((6, 5, 4), np.eye(4)), 0)


@pytest.mark.parametrize(
    ("slices", "words"), [([4], "slice 5"), ([4, 5], "2 slices, first slice 5"), ([0, 3, 6], "3 slices, first slice 1")]
)
def test_slices_are_named_from_one(slices: list[int], words: str) -> None:
    assert name_slices(slices) == name_slices(np.array(slices)) == words
