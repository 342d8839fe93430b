"""A stack's order from base to apex, by its header and by its shape, and how slices are named."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.geometry import Grid, flip_ras_lps
from pipeline.measure.wall.rings import N_RAYS, Ring
from pipeline.measure.wall.stack import anterior_insertions, from_base_to_apex, list_slices, nearest, why_no_thirds

UP, DOWN = (0.0, 0.0, 8.0), (0.0, 0.0, -8.0)  # LPS: the stack runs to the head, from the apex; or to the feet
ALONG_NEITHER = (4.0, 4.0, 0.0)  # at right angles to the heart's usual axis
WRONG_AXES = (
    "by the header the ventricle narrows towards the base, so its axes are wrong: the narrow end was taken for the "
    "apex, and the slices as seen from there; if they are not, anterior and inferior are exchanged"
)


def _order(areas: list[int], step: tuple[float, float, float] = UP) -> tuple[list[int], list[str]]:
    """Slices of so many pixels of left heart, ten of them cavity and the rest wall."""
    volume = np.zeros((40, 40, len(areas)), dtype=np.uint8)
    for z, area in enumerate(areas):
        pixels = np.zeros(1600, dtype=np.uint8)
        pixels[:area] = 2
        pixels[: min(area, 10)] = 1
        volume[:, :, z] = pixels.reshape(40, 40)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = (1.0, -1.0, 0.0), (0.0, 1.0, 1.0), step
    return from_base_to_apex(volume, Grid(volume.shape, flip_ras_lps(lps)))


def test_the_header_tells_where_the_base_is() -> None:
    assert _order([500, 500, 500, 500], UP) == ([3, 2, 1, 0], [])
    assert _order([500, 500, 500, 500], DOWN) == ([0, 1, 2, 3], [])
    assert _order([500, 500, 500, 500], (0.0, 0.0, -1.0)) == ([0, 1, 2, 3], [])


def test_only_slices_from_the_first_with_cavity_to_the_last_are_the_ventricle_s() -> None:
    assert _order([0, 500, 0, 500, 500, 0]) == ([4, 3, 2, 1], [])
    assert _order([0, 0, 0]) == ([], [])


@pytest.mark.parametrize(
    ("areas", "step", "order", "doubted"),
    [
        ([1000, 900, 801], UP, [2, 1, 0], False),  # 0.199 narrower at what should be the base
        ([1000, 900, 799], UP, [0, 1, 2], True),  # 0.201
        ([799, 900, 1000], DOWN, [2, 1, 0], True),
        ([799, 900, 1000], UP, [2, 1, 0], False),  # as the header says
        ([1000, 900, 799], DOWN, [0, 1, 2], False),
        ([1000, 900, 799], (0.0, 0.0, -1.0), [0, 1, 2], False),
        ([1000, 500], UP, [1, 0], False),  # two slices tell too little
    ],
)
def test_a_ventricle_that_clearly_narrows_the_other_way_overrules_the_header(
    areas: list[int], step: tuple[float, float, float], order: list[int], doubted: bool
) -> None:
    assert _order(areas, step) == (order, [WRONG_AXES] if doubted else [])


@pytest.mark.parametrize(
    ("areas", "doubted"),
    [
        ([1000, 1000, 249], False),  # below a quarter: a sliver
        ([1000, 1000, 250], True),
        ([1000, 10, 10], False),  # one slice alone narrows nowhere
        ([10, 1000, 940, 880], False),  # 0.12 over the full slices
        ([10, 1000, 890, 780], True),  # 0.22
    ],
)
def test_slivers_do_not_tell_where_the_apex_is(areas: list[int], doubted: bool) -> None:
    assert _order(areas)[1] == ([WRONG_AXES] if doubted else [])


def test_a_header_that_tells_neither_end_leaves_it_to_the_shape() -> None:
    assert _order([1000, 900, 700], ALONG_NEITHER) == ([0, 1, 2], [])
    assert _order([700, 900, 1000], ALONG_NEITHER) == ([2, 1, 0], [])
    assert _order([1000, 990], ALONG_NEITHER) == ([0, 1], [])  # however little it narrows
    assert _order([990, 1000], ALONG_NEITHER) == ([1, 0], [])


def test_why_there_are_no_thirds_is_said() -> None:
    assert why_no_thirds(np.eye(2), [4, 3, 2]) is None
    assert why_no_thirds(np.eye(2), [4, 3]) == "thirds from base to apex need at least 3 slices with left cavity, got 2"
    assert why_no_thirds(None, [4, 3, 2]) == "the slices do not lie across the heart's usual axis"


@pytest.mark.parametrize(("known", "level", "expected"), [([0, 9], 5, 9), ([0, 9], 4, 0), ([7, 3], 5, 7), ([6], 0, 6)])
def test_the_nearest_slice_on_either_side(known: list[int], level: int, expected: int) -> None:
    assert nearest(known, level) == expected


@pytest.mark.parametrize(
    ("slices", "words"), [([2], "slice 3"), ([4, 0], "slices 1, 5"), ({9, 10, 1}, "slices 2, 10, 11")]
)
def test_slices_are_named_from_one_in_order(slices: list[int], words: str) -> None:
    assert list_slices(slices) == words


def test_the_anterior_insertion_is_where_the_contact_ends() -> None:
    """Contact at 90, 135 and 180 degrees in one slice; none in the next, and no ring in the last."""
    labels = np.zeros((40, 40, 3), dtype=np.uint8)
    for angle in np.radians((90.0, 135.0, 180.0)):
        i, j = np.round(20.0 + 11.0 * np.array([np.cos(angle), np.sin(angle)])).astype(int)
        labels[i, j, 0] = 3
    ring = Ring(np.array([20.0, 20.0]), np.full(N_RAYS, 8.0), np.full(N_RAYS, 10.0), is_closed=True)
    (found,) = anterior_insertions(labels, {0: ring, 1: ring, 2: None}, np.eye(2)).items()
    assert found == (0, pytest.approx(180.0, abs=6.0))
