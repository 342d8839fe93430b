"""Frames: the plane they lie in, the form of their pictures, whether values are rescaled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.read.dicom.frames import Frame, NativeForm

FRAME = Frame(
    path=Path("one.dcm"),
    frame_number=1,
    sop_instance_uid="1.2.3.4",
    series_uid="1.2.3",
    study_uid="1.2",
    position=(0.0, 0.0, 0.0),
    orientation=(0.8, 0.6, 0.0, 0.0, 0.0, -1.0),
    pixel_spacing=(2.0, 1.5),
    rows=4,
    columns=5,
)


@pytest.mark.parametrize(
    ("slope", "intercept", "rescaled"), [(1.0, 0.0, False), (2.0, 0.0, True), (1.0, -1.0, True), (0.5, 4.0, True)]
)
def test_values_are_rescaled_unless_slope_is_one_and_intercept_none(
    slope: float, intercept: float, rescaled: bool
) -> None:
    assert not FRAME.is_rescaled
    assert replace(FRAME, rescale_slope=slope, rescale_intercept=intercept).is_rescaled is rescaled


@pytest.mark.parametrize(
    ("axis", "degrees"), [((1, 0, 0), 0.01), ((0, 0, 1), 0.5), ((0, 1, 0), 5.0), ((1, 1, 1), 90.0)]
)
def test_a_tilt_is_the_larger_turn_of_the_two_directions(axis: tuple[int, int, int], degrees: float) -> None:
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * np.array(axis) / np.linalg.norm(axis))
    directions = np.reshape(FRAME.orientation, (2, 3))
    turned = turn.apply(directions)
    tilted = replace(FRAME, orientation=tuple(turned.ravel().tolist()))
    angles = [np.rad2deg(np.arccos(np.clip(a @ b, -1, 1))) for a, b in zip(directions, turned, strict=True)]
    assert tilted.tilt_deg(FRAME.orientation) == pytest.approx(max(angles), rel=1e-3, abs=1e-6)
    assert FRAME.tilt_deg(FRAME.orientation) == 0.0


def test_the_centre_is_half_the_picture_from_the_first_pixel() -> None:
    # 4 steps of 1.5 mm along (0.8, 0.6, 0), 3 steps of 2 mm along (0, 0, -1), halved
    np.testing.assert_allclose(FRAME.centre, [2.4, 1.8, -3.0])


def test_pictures_of_one_form_have_one_matrix_and_pixel_size() -> None:
    assert FRAME.has_form_of(replace(FRAME, pixel_spacing=(2.0005, 1.4995)))
    assert not FRAME.has_form_of(replace(FRAME, pixel_spacing=(2.0, 1.502)))
    assert not FRAME.has_form_of(replace(FRAME, rows=5))
    assert not FRAME.has_form_of(replace(FRAME, columns=4))


def test_plain_pixels_have_no_spare_bits() -> None:
    assert NativeForm(offset=0, dtype="<u2").spare_bits == 0
