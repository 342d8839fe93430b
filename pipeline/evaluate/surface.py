"""Distances between the surfaces of two label maps, in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid, bounding_box
from pipeline.core.labels import STRUCTURES, UNLABELLED, undrawn_values

__all__ = ["SurfaceDistances", "surface_distances"]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two surfaces in mm.

    Attributes:
        hausdorff_mm: the largest distance of a point of either surface to the other.
        hd95_mm: the larger of the two directed 95th percentiles.
        assd_mm: average symmetric surface distance: the mean over the points of both surfaces.
    """

    hausdorff_mm: float
    hd95_mm: float
    assd_mm: float


def surface_distances(truth: np.ndarray, prediction: np.ndarray, grid: Grid) -> dict[str, SurfaceDistances | None]:
    """Measure the distances between each structure's surfaces in truth and prediction.

    A surface is the structure's voxels with a face neighbour outside it. Beyond the volume counts as outside. The
    definitions are those of MONAI's `compute_hausdorff_distance` and `compute_average_surface_distance` (tested).

    Args:
        truth: (X, Y, Z) label map. Where it is `UNLABELLED`, both count as background.
        prediction: (X, Y, Z) label map.
        grid: where the voxels lie (only its spacing matters).

    Returns:
        Structure's name -> distances, or `None` if it is in neither or was not annotated. A structure in only one is a
        miss: all three are the diagonal of the volume, larger than any distance in it.

    Raises:
        GridError: shapes differ.
    """
    if truth.shape != prediction.shape or truth.shape != grid.shape:
        raise GridError(
            f"truth, prediction and grid need one shape, got {truth.shape}, {prediction.shape}, {grid.shape}"
        )
    spacing = tuple(float(mm) for mm in grid.spacing_mm)
    diagonal = float(np.linalg.norm(np.multiply(truth.shape, spacing)))
    labelled, undrawn = truth != UNLABELLED, undrawn_values(truth)
    found: dict[str, SurfaceDistances | None] = {}
    for s in STRUCTURES:
        true, guess = truth == s.value, (prediction == s.value) & labelled
        if s.value in undrawn:
            found[s.name] = None
        elif true.any() and guess.any():
            box = bounding_box(true | guess)
            found[s.name] = _between(true[box], guess[box], spacing)
        else:
            found[s.name] = SurfaceDistances(diagonal, diagonal, diagonal) if true.any() or guess.any() else None
    return found


def _between(true: np.ndarray, guess: np.ndarray, spacing: tuple[float, ...]) -> SurfaceDistances:
    surfaces = [mask & ~binary_erosion(mask) for mask in (true, guess)]
    to_true, to_guess = (distance_transform_edt(~surface, sampling=spacing) for surface in surfaces)
    there, back = to_guess[surfaces[0]], to_true[surfaces[1]]
    return SurfaceDistances(
        hausdorff_mm=float(max(there.max(), back.max())),
        hd95_mm=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        assd_mm=float(np.concatenate([there, back]).mean()),
    )
