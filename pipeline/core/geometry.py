"""Affine algebra of image grids.

Terms used throughout:

*voxel index* (i, j, k): array axes X, Y, Z. For DICOM, i runs along a row of the picture (the column index),
j down a column (the row index), k along the stack of slices.
*affine*: 4x4 float64 matrix taking (i, j, k, 1) to millimetres in **RAS+** space (x to the patient's right,
y to anterior, z to superior), as nibabel and MONAI have it. A voxel's coordinate is its centre.
*LPS+*: DICOM's patient space, in which x and y point the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import GridError

__all__ = [
    "APEX_TO_BASE_LPS",
    "Grid",
    "affine_from_dicom",
    "bounding_box",
    "flip_ras_lps",
    "plane_normal",
    "slice_normal",
    "spacing_of",
]

_RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

APEX_TO_BASE_LPS = np.array([-1.0, 1.0, 1.0]) / np.sqrt(3.0)
"""Unit vector from the heart's apex to its base, roughly: to the patient's right, back and head."""


def flip_ras_lps(affine: np.ndarray) -> np.ndarray:
    """Convert an affine from RAS+ to LPS+ space, or back (the operation is its own inverse).

    >>> flip_ras_lps(np.eye(4)).diagonal().tolist()
    [-1.0, -1.0, 1.0, 1.0]
    """
    return _RAS_LPS @ np.asarray(affine, dtype=np.float64)


def spacing_of(affine: np.ndarray) -> tuple[float, float, float]:
    """Distance in mm between neighbouring voxel centres along each index axis: the columns' lengths.

    >>> spacing_of(np.diag([1.5, 2.0, 8.0, 1.0]))
    (1.5, 2.0, 8.0)
    """
    x, y, z = np.linalg.norm(np.asarray(affine, dtype=np.float64)[:3, :3], axis=0)
    return float(x), float(y), float(z)


def plane_normal(orientation: Sequence[float]) -> np.ndarray:
    """Unit normal of a plane: cross product of the directions of rows and of columns (PS3.3 C.7.6.2.1.1).

    Args:
        orientation: direction of rows, then of columns (6), of any length, as ImageOrientationPatient.

    Returns:
        (3,) float64, in the space of the directions.

    >>> plane_normal((1, 0, 0, 0, 1, 0)).tolist()
    [0.0, 0.0, 1.0]
    """
    rows, columns = np.reshape(np.asarray(orientation, dtype=np.float64), (2, 3))
    normal = np.cross(rows, columns)
    return normal / np.linalg.norm(normal)


def slice_normal(affine: np.ndarray) -> np.ndarray:
    """Unit normal of the slices: cross product of the i and j directions, in the affine's space.

    >>> slice_normal(np.diag([1.5, 2.0, 8.0, 1.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    return plane_normal(np.asarray(affine)[:3, :2].T.ravel().tolist())


def affine_from_dicom(
    *,
    position: Sequence[float],
    orientation: Sequence[float],
    pixel_spacing: Sequence[float],
    slice_step: Sequence[float],
) -> np.ndarray:
    """RAS+ affine of a stack of DICOM slices (PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1, extended along the stack).

    Args:
        position: ImagePositionPatient of the first slice, LPS mm (3).
        orientation: ImageOrientationPatient: direction of rows, then of columns (6).
        pixel_spacing: PixelSpacing: **row spacing first** (between rows, our j), then column spacing (our i), mm.
        slice_step: vector in LPS mm from one slice's position to the next (3).

    Returns:
        (4, 4) float64.

    >>> affine_from_dicom(position=(10, 20, 30), orientation=(1, 0, 0, 0, 1, 0),
    ...                   pixel_spacing=(2.0, 1.5), slice_step=(0, 0, 8))[:3].tolist()
    [[-1.5, 0.0, 0.0, -10.0], [0.0, -2.0, 0.0, -20.0], [0.0, 0.0, 8.0, 30.0]]
    """
    lps = np.eye(4)
    lps[:3, 0] = np.asarray(orientation[:3], dtype=np.float64) * float(pixel_spacing[1])
    lps[:3, 1] = np.asarray(orientation[3:], dtype=np.float64) * float(pixel_spacing[0])
    lps[:3, 2] = slice_step
    lps[:3, 3] = position
    return flip_ras_lps(lps) + 0.0  # no negative zeros


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Bounding box of the true elements of a mask of any shape, empty along every axis if there are none.

    >>> bounding_box(np.array([[False, True, True], [False, False, False]]))
    (slice(0, 1, None), slice(1, 3, None))
    """
    axes = range(mask.ndim)
    spans = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    return tuple(slice(int(span[0]), int(span[-1]) + 1) if span.size else slice(0, 0) for span in spans)


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of an image lie.

    Attributes:
        shape: number of voxels (X, Y, Z).
        affine: (4, 4) float64, voxel index to RAS+ mm; made read-only.
        spans_mm: length of the stack that each slice stands for (Z), where slices are unevenly apart; `None` where each
            stands for the slice distance.

    Raises:
        GridError: a shape that is not three positive counts, an affine that is not an invertible 4x4 matrix, or spans
            that are not Z positive lengths.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    spans_mm: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GridError(f"a grid's shape must be 3 positive counts, got {self.shape}")
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-9:
            raise GridError(f"a grid's affine must be an invertible 4x4 matrix, got {self.affine!r}")
        if self.spans_mm is not None and (len(self.spans_mm) != shape[2] or min(self.spans_mm) <= 0):
            raise GridError(f"a grid's spans must be {shape[2]} positive lengths in mm, got {self.spans_mm}")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along X, Y, Z. For a stack, Z is the slice distance, gap included."""
        return spacing_of(self.affine)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel: the determinant of the affine, so shear is respected."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def voxel_volumes_ml(self) -> np.ndarray:
        """Volume of one voxel in each slice (Z,): alike in all, but where slices are unevenly apart."""
        shares = np.ones(self.shape[2]) if self.spans_mm is None else np.array(self.spans_mm) / self.spacing_mm[2]
        return self.voxel_volume_ml * shares

    def matches(self, other: Grid, *, tolerance_mm: float = 1e-2) -> bool:
        """Whether every corner voxel of both grids lies at the same place within `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1)
        homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
        return bool(np.abs((self.affine - other.affine) @ homogeneous).max() <= tolerance_mm)
