"""The standard view of short-axis slices, and how a stack is laid down in it by what its header says.

In the standard view slices are looked at from the apex, the patient's feet are down as nearly as the plane allows, and
so the right ventricle is to the viewer's left and the anterior wall up; slices run from base to apex. In DICOM's terms
i x j, the directions of the picture's rows and columns, points away from the viewer, to the base of the heart,
which lies to the patient's right, back and head.

A header is believed to tell the pose where its plane can be a short axis. Made-up axes, as ACDC's and those of files
written without any placement, run along the body's: such a plane cuts no heart on the left across its axis. They are
laid down as radiology shows axial planes, the patient's left to the right and the back down, for which ACDC's claim to
be so; whether that is the heart's pose, the picture must tell (`pipeline.infer.pose`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.geometry import APEX_TO_BASE_LPS, flip_ras_lps, slice_normal
from pipeline.core.pose import POSES, Pose

__all__ = ["View", "standard_view", "tells_pose"]

MOST_TILT_DEG = 45.0
"""Angle between a plane's normal and the usual axis of the heart up to which the plane can be a short axis. Hearts lie
within some 25 degrees of it; the normals of axial, coronal and sagittal planes are 55 degrees away."""

_FEET_LPS = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class View:
    """How a stack is laid down.

    Attributes:
        pose: of its slices.
        reverse: whether the slices' order is turned round, so that they run from base to apex.
    """

    pose: Pose
    reverse: bool

    @property
    def inverse(self) -> View:
        """The view that undoes this one."""
        return View(self.pose.inverse, self.reverse)

    def index_matrix(self, shape: tuple[int, ...]) -> np.ndarray:
        """(4, 4): voxel index into the stack as laid down -> index into the stored one of `shape` (X, Y, Z)."""
        matrix = self.pose.index_matrix(shape)
        if self.reverse:
            matrix = matrix.copy()
            matrix[2, 2], matrix[2, 3] = -1.0, shape[2] - 1.0
        return matrix


def tells_pose(affine: np.ndarray) -> bool:
    """Whether an affine can be a short axis', so that it tells how the heart lies in the picture.

    Args:
        affine: (4, 4), voxel index to RAS+ mm.

    >>> tells_pose(np.diag([-1.5, -1.5, 8.0, 1.0]))
    False
    """
    along = slice_normal(flip_ras_lps(affine)) @ APEX_TO_BASE_LPS
    return bool(abs(along) >= np.cos(np.radians(MOST_TILT_DEG)))


def standard_view(affine: np.ndarray) -> View:
    """Find how a stack is laid down in the standard view, or the nearest to it: within 45 degrees in the plane.

    Args:
        affine: (4, 4), voxel index to RAS+ mm; slices along the last axis.

    >>> standard_view(np.diag([-1.5, -1.5, 8.0, 1.0])).pose.name, standard_view(np.diag([1.5, 1.5, 8.0, 1.0])).pose.name
    ('as stored', 'turned by 180 degrees')
    """
    axes = flip_ras_lps(affine)[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    wanted = _wanted_axes(affine)
    pose = max(POSES, key=lambda pose: round(float((_laid_down(axes, pose) * wanted[:, :2]).sum()), 6))
    return View(pose, bool(axes[:, 2] @ wanted[:, 2] < 0))


def _wanted_axes(affine: np.ndarray) -> np.ndarray:
    """(3, 3): directions in LPS of a row, a column and the stack in the standard view."""
    if not tells_pose(affine):
        return np.eye(3)
    down = _FEET_LPS - (_FEET_LPS @ APEX_TO_BASE_LPS) * APEX_TO_BASE_LPS
    down = down / np.linalg.norm(down)
    return np.stack([np.cross(down, APEX_TO_BASE_LPS), down, -APEX_TO_BASE_LPS], axis=1)


def _laid_down(axes: np.ndarray, pose: Pose) -> np.ndarray:
    """(3, 2): directions of rows and columns in a pose."""
    matrix = pose.index_matrix((1, 1, 1))
    return axes @ matrix[:3, :2]
