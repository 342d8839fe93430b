"""Properties of a data set that matter for a training: sizes, spacings and the size of the hearts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.errors import DatasetError
from pipeline.core.labels import STRUCTURES, UNLABELLED, is_structure
from pipeline.read.cine import read_cine
from pipeline.read.labels import read_case_label

__all__ = ["Fingerprint", "take_fingerprint"]

_LARGEST = 99
"""Percentile of the hearts' sizes used as the largest, so that one labelling error does not count."""


@dataclass(frozen=True)
class Fingerprint:
    """A data set in numbers. Medians are over images.

    Attributes:
        n_patients: patients.
        n_images: images, each a volume or a cine.
        n_labelled_slices: slices with a label, over all phases.
        pixel_mm: median pixel in plane, the geometric mean of its two sides.
        slice_distance_mm: median distance between slice centres.
        size_pixels: median (X, Y) of the images.
        size_mm: median extent (X, Y) of the images.
        heart_mm: in-plane width of all labelled structures together, along X or Y, in the largest hearts, or
            `None` without labels.
        structure_fraction: structure's name -> fraction of the labelled voxels.
    """

    n_patients: int
    n_images: int
    n_labelled_slices: int
    pixel_mm: float
    slice_distance_mm: float
    size_pixels: tuple[int, int]
    size_mm: tuple[float, float]
    heart_mm: float | None
    structure_fraction: Mapping[str, float]


@dataclass(frozen=True)
class _Image:
    """One image's part of the fingerprint."""

    shape: tuple[int, int]
    spacing_mm: tuple[float, float, float]
    heart_mm: float | None
    n_labelled_slices: int
    counts: np.ndarray


def take_fingerprint(datalist: Sequence[Mapping[str, Any]]) -> Fingerprint:
    """Read every image and label once, one at a time.

    Args:
        datalist: cases as `pipeline.read.datasets.load_datalist` gives them. A case without `label` counts for the
            geometry alone.

    Raises:
        DatasetError: an empty list.
        InputError: an image or a label cannot be read.
    """
    if not datalist:
        raise DatasetError("a fingerprint needs images, the list has none")
    images = [_measure(case) for case in datalist]
    spacing = np.median([image.spacing_mm for image in images], axis=0)
    shape = np.median([image.shape for image in images], axis=0)
    extent = np.median([np.multiply(image.shape, image.spacing_mm[:2]) for image in images], axis=0)
    hearts = [image.heart_mm for image in images if image.heart_mm is not None]
    counts = np.sum([image.counts for image in images], axis=0)
    return Fingerprint(
        n_patients=len({case["patient"] for case in datalist}),
        n_images=len(images),
        n_labelled_slices=sum(image.n_labelled_slices for image in images),
        pixel_mm=float(np.sqrt(spacing[0] * spacing[1])),
        slice_distance_mm=float(spacing[2]),
        size_pixels=(round(shape[0]), round(shape[1])),
        size_mm=(float(extent[0]), float(extent[1])),
        heart_mm=float(np.percentile(hearts, _LARGEST)) if hearts else None,
        structure_fraction=_fractions(counts),
    )


def _measure(case: Mapping[str, Any]) -> _Image:
    image = read_cine(case["image"])
    grid = image.grid
    shape, nothing = (grid.shape[0], grid.shape[1]), np.zeros(len(STRUCTURES) + 1, dtype=np.int64)
    if not case.get("label"):
        return _Image(shape, grid.spacing_mm, None, 0, nothing)
    labels = read_case_label(case, grid=grid, n_phases=image.n_phases).array
    drawn = labels != UNLABELLED
    heart = is_structure(labels).any(axis=(0, 3))
    counts = np.bincount(labels.ravel(), minlength=256)[: len(nothing)]
    counts[0] = drawn.sum() - counts[1:].sum()
    widths = (_width(np.any(heart, axis=1 - axis)) * grid.spacing_mm[axis] for axis in (0, 1))
    n_slices = int(drawn.any(axis=(1, 2)).sum())
    return _Image(shape, grid.spacing_mm, max(widths) if heart.any() else None, n_slices, counts)


def _width(hits: np.ndarray) -> int:
    """Pixels from the first to the last that is hit, both included."""
    places = np.flatnonzero(hits)
    return int(places[-1] - places[0]) + 1 if places.size else 0


def _fractions(counts: Iterable[int]) -> dict[str, float]:
    values = np.asarray(list(counts), dtype=float)
    total = values.sum()
    return {s.name: float(values[s.value] / total) if total else 0.0 for s in STRUCTURES}
