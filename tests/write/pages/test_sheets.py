import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, SourceFrame
from pipeline.core.pose import AS_STORED, Pose
from pipeline.phantom.study import PhantomStudy
from pipeline.write.pages.sheets import draw_study


def test_every_phase_has_a_sheet_of_all_slices(phantom: PhantomStudy) -> None:
    pictures = draw_study(phantom.image, phantom.label.array)
    assert len(pictures.sheets) == phantom.image.n_phases
    assert (pictures.columns, pictures.rows) == (4, 2)
    for sheet in pictures.sheets:
        with Image.open(io.BytesIO(sheet)) as picture:
            assert picture.size == (pictures.tile[0] * 4, pictures.tile[1] * 2)
    assert pictures.tile_mm == (pictures.tile[0] * 3.0, pictures.tile[1] * 3.0)
    assert pictures.corner_mm(5) == (pictures.tile_mm[0], pictures.tile_mm[1])


def test_outlines_are_there_where_the_labels_are(phantom: PhantomStudy) -> None:
    pictures = draw_study(phantom.image, phantom.label.array)
    for phase, slices in enumerate(pictures.outlines):
        for z, outlines in enumerate(slices):
            found = [(phantom.label.array[phase, :, :, z] == value).any() for value in (1, 2, 3)]
            assert [bool(path) for path in outlines] == found


def test_brightness_does_not_change_with_the_phase() -> None:
    array = np.tile(np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1), (2, 1, 1, 1))
    array[1] /= 2
    pictures = draw_study(Cine(array, Grid((16, 16, 1), np.eye(4))), np.zeros(array.shape, np.uint8))
    first, second = (np.asarray(Image.open(io.BytesIO(sheet)), float).mean() for sheet in pictures.sheets)
    assert first / second == pytest.approx(2.0, abs=0.1)


def test_still_pictures_show_the_window_of_the_others(phantom: PhantomStudy) -> None:
    pictures = draw_study(phantom.image, phantom.label.array, still_phases=[3])
    assert list(pictures.still_sheets) == [3]
    stored, still = (
        np.asarray(Image.open(io.BytesIO(data)), float) for data in (pictures.sheets[3], pictures.still_sheets[3])
    )
    low, high = pictures.window
    assert np.abs((255 * (stored - low) / (high - low)).clip(0, 255) - still).mean() < 4


def test_edges_are_named_for_a_scanners_own_axes_alone(phantom: PhantomStudy) -> None:
    assert draw_study(phantom.image, phantom.label.array).edges is None
    frames = tuple(tuple(SourceFrame("a", "1.2") for _ in range(8)) for _ in range(8))
    affine = np.diag([-3.0, 3.0, 10.0, 1.0])  # x to the left, y to the front
    cine = replace(phantom.image, sources=frames, grid=Grid(phantom.image.grid.shape, affine))
    assert draw_study(cine, phantom.label.array).edges == ("R", "L", "P", "A")


def test_the_locator_boxes_the_cut_out(phantom: PhantomStudy) -> None:
    pictures = draw_study(phantom.image, phantom.label.array)
    x, y, width, height = pictures.locator.box
    assert (width, height) == pictures.tile
    outside = phantom.label.array.copy()
    outside[:, x : x + width, y : y + height] = 0
    assert not outside.any()
    assert pictures.locator.size == (96, 96)
    empty = draw_study(phantom.image, np.zeros_like(phantom.label.array)).locator
    assert (empty.box, empty.slice_index) == ((0, 0, 96, 96), 4)


def test_a_label_map_of_another_grid_is_refused(phantom: PhantomStudy) -> None:
    with pytest.raises(GridError, match="shape"):
        draw_study(phantom.image, phantom.label.array[:1])


def test_slices_are_shown_in_the_pose_asked_for_and_edges_follow(phantom: PhantomStudy) -> None:
    frames = tuple(tuple(SourceFrame("a", "1.2") for _ in range(8)) for _ in range(8))
    affine = np.diag([-3.0, -2.0, 10.0, 1.0])  # x to the left, y to the back
    cine = replace(phantom.image, sources=frames, grid=Grid(phantom.image.grid.shape, affine))
    quarter = Pose(True, True, False)  # clockwise: what was at the left comes to the top
    shown, stored = (draw_study(cine, phantom.label.array, pose=pose) for pose in (quarter, AS_STORED))
    assert stored.edges == ("R", "L", "A", "P")
    assert shown.edges == ("P", "A", "R", "L")
    assert shown.tile == stored.tile[::-1]
    assert shown.pixel_mm == (2.0, 3.0)
    assert shown.locator.slice_index == stored.locator.slice_index
    turned = replace(cine, array=quarter.apply(cine.array), grid=Grid((96, 96, 8), np.diag([2.0, 3.0, 10.0, 1.0])))
    by_hand = draw_study(turned, quarter.apply(phantom.label.array))
    assert shown.outlines == by_hand.outlines
    assert shown.sheets == by_hand.sheets
