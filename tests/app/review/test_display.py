from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.app.review.display import base_end, display_facts, draw_picture, from_display, to_display
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.pose import POSES, Pose
from pipeline.phantom.study import PhantomStudy
from pipeline.read.cine import read_cine
from pipeline.write.pages.pictures import sheet
from pipeline.write.pages.sheets import draw_study


@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_a_slice_comes_back_as_it_was_shown(pose: Pose) -> None:
    array = np.random.default_rng(0).integers(0, 255, (2, 5, 7, 3)).astype(np.uint8)
    shown = to_display(array, pose)
    assert shown.shape == ((2, 3, 5, 7) if pose.transpose else (2, 3, 7, 5))
    assert shown.flags.c_contiguous
    for phase in range(2):
        for level in range(3):
            np.testing.assert_array_equal(from_display(shown[phase, level], pose), array[phase, :, :, level])
        column = sheet(pose.apply(array[phase]), 1)  # the report's picture, slices one below the other
        np.testing.assert_array_equal(np.concatenate(list(shown[phase])), column)


@pytest.mark.parametrize("pose", [Pose(), Pose(True, True, False), Pose(False, False, True)], ids=lambda p: p.name)
def test_sizes_and_sides_are_the_reports(written, study: PhantomStudy, pose: Pose) -> None:
    cine = read_cine(written.parent / "images" / "study")
    pictures, facts = draw_study(cine, study.label.array, pose=pose), display_facts(cine, pose)
    assert tuple(facts["sides"][side] for side in ("left", "right", "top", "bottom")) == pictures.edges
    assert facts["pixel_mm"] == pytest.approx(pictures.pixel_mm[::-1])
    assert display_facts(study.image, pose)["sides"] is None  # a NIfTI's axes may be made up


def test_pixels_of_unequal_sides_keep_them() -> None:
    cine = Cine(np.zeros((1, 4, 6, 2)), Grid((4, 6, 2), np.diag([1.5, 2.0, 8.0, 1.0])), times_ms=(0.0,))
    assert display_facts(cine, Pose())["pixel_mm"] == [2.0, 1.5]  # rows are 2 mm apart
    turned = display_facts(cine, Pose(True, True, False))
    assert (turned["shape"], turned["pixel_mm"], turned["slice_mm"]) == ([1, 2, 4, 6], [1.5, 2.0], 8.0)


def test_images_keep_their_values_or_are_scaled(study: PhantomStudy) -> None:
    whole = replace(
        study.image, array=np.arange(study.image.array.size, dtype=np.int32).reshape(study.image.array.shape) % 4000
    )
    picture = draw_picture(whole, Pose())
    np.testing.assert_array_equal(picture.pixels, to_display(whole.array, Pose()))
    assert picture.pixels.dtype == np.dtype("<u2")
    assert (picture.slope, picture.intercept) == (1.0, 0.0)
    real = replace(study.image, array=whole.array.astype(np.float32) / 100.0 - 7.0)
    scaled = draw_picture(real, Pose())
    values = scaled.slope * scaled.pixels.astype(float) + scaled.intercept
    np.testing.assert_allclose(values, to_display(real.array, Pose()), atol=scaled.slope)
    flat = draw_picture(replace(study.image, array=np.full(study.image.array.shape, -3.5)), Pose())
    assert not flat.pixels.any()


def test_the_base_is_where_the_cavity_is_wider() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    assert base_end(labels) is None
    labels[:2, :2, 1], labels[0, 0, 2] = 1, 1
    assert base_end(labels) == "first"
    assert base_end(labels[..., ::-1]) == "last"
