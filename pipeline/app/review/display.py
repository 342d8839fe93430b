"""A case's arrays as the page draws them: (T, Z, ROWS, COLS), laid down in the pose of the report's pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.labels import LV
from pipeline.core.pose import Pose
from pipeline.write.pages.pictures import brightness_range, direction_letters

__all__ = ["Picture", "base_end", "display_facts", "draw_picture", "from_display", "to_display"]

_MOST = 65535


@dataclass(frozen=True, eq=False)
class Picture:
    """The images of a cine for the page.

    Attributes:
        pixels: (T, Z, ROWS, COLS) little-endian uint16, in C order.
        window: values of it that are shown as black and as white, as in the report.
        slope, intercept: the file's value is `slope * pixel + intercept`.
    """

    pixels: np.ndarray
    window: tuple[float, float]
    slope: float
    intercept: float


def to_display(array: np.ndarray, pose: Pose) -> np.ndarray:
    """(..., X, Y, Z) as (..., Z, ROWS, COLS), C order: X of the pose to the right, Y down. Slices keep their order."""
    laid = pose.apply(array)
    return np.ascontiguousarray(np.moveaxis(laid, (-1, -2, -3), (-3, -2, -1)))


def from_display(rows: np.ndarray, pose: Pose) -> np.ndarray:
    """(ROWS, COLS) of one slice as (X, Y) of the case's grid; undoes `to_display`.

    >>> slice_of_grid = np.arange(6, dtype=np.uint8).reshape(2, 3)
    >>> turned = Pose(True, True, False)
    >>> rows = to_display(slice_of_grid[..., None], turned)[0]
    >>> rows.shape, (from_display(rows, turned) == slice_of_grid).all().item()
    ((2, 3), True)
    """
    return np.ascontiguousarray(pose.inverse.apply(rows.T[..., None])[..., 0])


def draw_picture(cine: Cine, pose: Pose) -> Picture:
    """The images in 16 bits: as they are where they fit, else scaled from their lowest to their highest value."""
    array = cine.array
    low, high = float(array.min()), float(array.max())
    whole = np.issubdtype(array.dtype, np.integer) and low >= 0 and high <= _MOST
    slope, intercept = (1.0, 0.0) if whole else ((high - low) / _MOST or 1.0, low)
    shown = tuple((value - intercept) / slope for value in brightness_range(array))
    pixels = array if whole else np.rint((array.astype(np.float32) - intercept) / slope).clip(0, _MOST)
    return Picture(to_display(pixels.astype("<u2"), pose), (shown[0], shown[1]), slope, intercept)


def display_facts(cine: Cine, pose: Pose) -> dict[str, Any]:
    """Shape, sizes in mm and directions at the edges, as the page needs them."""
    x, y, z = cine.grid.shape
    matrix = cine.grid.affine @ pose.index_matrix((x, y, z))
    columns, rows = (y, x) if pose.transpose else (x, y)
    column_mm, row_mm, slice_mm = Grid((columns, rows, z), matrix).spacing_mm
    return {
        "shape": [cine.n_phases, z, rows, columns],
        "pixel_mm": [row_mm, column_mm],
        "slice_mm": slice_mm,
        "times_ms": None if cine.times_ms is None else list(cine.times_ms),
        "sides": _sides(matrix) if cine.sources is not None else None,  # a NIfTI file's axes are often made up
    }


def base_end(labels: np.ndarray) -> str | None:
    """At which end of a phase's slices (X, Y, Z) the base is, "first" or "last"; `None` without a left cavity."""
    areas = (labels == LV.value).sum(axis=(0, 1))
    shown = np.flatnonzero(areas)
    if not shown.size:
        return None
    return "first" if areas[shown[0]] >= areas[shown[-1]] else "last"


def _sides(matrix: np.ndarray) -> dict[str, str]:
    right, down = matrix[:3, 0], matrix[:3, 1]
    directions = {"left": -right, "right": right, "top": -down, "bottom": down}
    return {side: direction_letters(direction) for side, direction in directions.items()}
