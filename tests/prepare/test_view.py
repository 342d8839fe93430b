"""How a stack is laid down by its header, whatever its storage order, turns, pixels and place."""

from __future__ import annotations

import itertools

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.geometry import affine_from_dicom, flip_ras_lps, slice_normal
from pipeline.core.pose import AS_STORED, POSES, Pose
from pipeline.prepare.view import View, standard_view, tells_pose

USUAL = np.array([[0.712, 0.701, -0.034], [-0.308, 0.268, -0.913]])
"""Rows and columns, LPS, of a short axis as a scanner shows it."""
STANDARD = View(AS_STORED, False)


def _stack(rows=USUAL[0], columns=USUAL[1], *, to_base: bool = False) -> np.ndarray:
    rows = np.array(rows, dtype=float) / np.linalg.norm(rows)
    columns = np.array(columns, dtype=float) - (np.array(columns, dtype=float) @ rows) * rows
    columns /= np.linalg.norm(columns)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = 1.5 * rows, 1.2 * columns
    lps[:3, 2] = 8.0 * np.cross(rows, columns) * (1 if to_base else -1)
    lps[:3, 3] = (10.0, -40.0, 25.0)
    return flip_ras_lps(lps)


def test_a_stack_in_the_standard_view_stays_as_it_is() -> None:
    assert tells_pose(_stack())
    assert standard_view(_stack()) == STANDARD
    assert standard_view(_stack(to_base=True)) == View(AS_STORED, True)


def test_acdc_and_files_without_an_orientation_tell_no_pose() -> None:
    acdc = np.diag([-1.5, -1.5, 8.0, 1.0])
    for affine in (acdc, np.eye(4), np.diag([-1.5, 1.5, 8.0, 1.0]), acdc[:, [0, 2, 1, 3]]):
        assert not tells_pose(affine)
    assert standard_view(acdc) == STANDARD
    assert standard_view(np.diag([1.5, 1.5, 8.0, 1.0])).pose.name == "turned by 180 degrees"
    assert standard_view(np.diag([-1.5, 1.5, 8.0, 1.0])).pose.name == "mirrored upside down"


@pytest.mark.parametrize("affine", [_stack(), np.diag([-1.5, -1.2, 8.0, 1.0])], ids=["short axis", "ACDC"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_whatever_a_truthful_header_says_is_undone(affine: np.ndarray, pose: Pose, reverse: bool) -> None:
    shape = (30, 20, 10)
    stored = affine @ View(pose, reverse).index_matrix(shape)
    view = standard_view(stored)
    assert view == View(pose.inverse, reverse)
    laid_shape = shape if not pose.transpose else (20, 30, 10)
    np.testing.assert_allclose(stored @ view.index_matrix(laid_shape), affine, atol=1e-9)


@given(st.floats(-180, 180), st.floats(-25, 25), st.floats(-25, 25))
def test_a_header_is_followed_to_within_45_degrees(turn: float, tilt: float, lean: float) -> None:
    rows, columns = USUAL
    normal = np.cross(rows, columns)
    normal = normal + np.tan(np.radians(tilt)) * rows * 0.5 + np.tan(np.radians(lean)) * columns * 0.5
    normal /= np.linalg.norm(normal)
    rows = rows - (rows @ normal) * normal
    columns = np.cross(normal, rows)
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    affine = _stack(cos * rows + sin * columns, cos * columns - sin * rows)
    view = standard_view(affine)
    laid = flip_ras_lps(affine @ view.index_matrix((4, 4, 4)))
    down, out = laid[:3, 1] / np.linalg.norm(laid[:3, 1]), slice_normal(laid)
    feet = np.array([0.0, 0.0, -1.0]) - out[2] * -out
    assert down @ feet / np.linalg.norm(feet) > np.cos(np.radians(46 + 25))
    assert out @ [-1, 1, 1] > 0
    assert laid[:3, 2] @ [-1, 1, 1] < 0


def test_real_stacks_are_laid_down_with_the_feet_down(cmr_data) -> None:
    """One as the scanner shows it; one whose rows run to the feet, as its pictures show."""
    names = {"SCD0000101": "turned by 90 degrees clockwise", "SCD0000201": "as stored"}
    for study, name in names.items():
        header = pydicom.dcmread(cmr_data / "sunnybrook" / "dicom" / study / "1.dcm", stop_before_pixels=True)
        orientation = np.array(header.ImageOrientationPatient, dtype=float)
        affine = affine_from_dicom(
            position=header.ImagePositionPatient,
            orientation=orientation.tolist(),
            pixel_spacing=header.PixelSpacing,
            slice_step=np.cross(*orientation.reshape(2, 3)),
        )
        assert tells_pose(affine)
        assert standard_view(affine).pose.name == name


def test_axis_aligned_planes_of_every_storage_order_tell_no_pose() -> None:
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product((-1, 1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = (np.eye(3) * signs)[:, order]
        assert not tells_pose(affine)
