"""The input of a quality rule: a heart at one phase.

Phases and slices count from 0 in the fields of a flag and from 1 in its sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.labels import LV, MYO, STRUCTURES

__all__ = ["Heart", "name_slices"]


@dataclass(frozen=True, eq=False)
class Heart:
    """A label map at one phase.

    Attributes:
        labels: (X, Y, Z) uint8 label map. `UNLABELLED` voxels belong to no structure.
        grid: where the voxels lie.
        phase: 0-based.

    Raises:
        GridError: the shapes differ.
    """

    labels: np.ndarray
    grid: Grid
    phase: int

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape:
            raise GridError(f"a phase's labels must have the grid's shape {self.grid.shape}, got {self.labels.shape}")

    @property
    def pixel_mm2(self) -> float:
        """Area of a pixel, skewed ones included."""
        return float(np.linalg.norm(np.cross(self.grid.affine[:3, 0], self.grid.affine[:3, 1])))

    @cached_property
    def areas_mm2(self) -> dict[str, np.ndarray]:
        """Structure's name -> area in each slice, (Z,)."""
        return {s.name: (self.labels == s.value).sum(axis=(0, 1)) * self.pixel_mm2 for s in STRUCTURES}

    @cached_property
    def volumes_ml(self) -> dict[str, float]:
        """Structure's name -> volume."""
        ml = self.grid.voxel_volumes_ml
        return {s.name: float((self.labels == s.value).sum(axis=(0, 1)) @ ml) for s in STRUCTURES}

    @property
    def left_heart(self) -> np.ndarray:
        """Left cavity and its wall, (X, Y, Z) bool."""
        left: np.ndarray = (self.labels == LV.value) | (self.labels == MYO.value)
        return left

    @property
    def basal_slice(self) -> int | None:
        """The end of the left cavity where its section is larger, 0-based, or `None` without a cavity."""
        areas = self.areas_mm2[LV.name]
        slices = np.flatnonzero(areas)
        if not slices.size:
            return None
        first, last = int(slices[0]), int(slices[-1])
        return first if areas[first] >= areas[last] else last


def name_slices(slices: np.ndarray | list[int]) -> str:
    """Say how many slices, in words for a sentence.

    >>> name_slices([4]), name_slices([4, 5])
    ('slice 5', '2 slices, first slice 5')
    """
    first = f"slice {int(slices[0]) + 1}"
    return first if len(slices) == 1 else f"{len(slices)} slices, first {first}"
