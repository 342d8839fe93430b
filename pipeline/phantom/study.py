"""A synthetic patient's cine with its truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.core.geometry import Grid, affine_from_dicom
from pipeline.core.images import Cine, StudyFacts
from pipeline.core.labels import STRUCTURES
from pipeline.phantom.anatomy import Patient, section
from pipeline.phantom.scanner import draw_labels, draw_picture, expose, heart_coordinates, make_scanner

__all__ = ["Orientation", "PhantomStudy", "Truth", "make_cine"]

DENSITY_G_PER_ML = 1.05


@dataclass(frozen=True)
class Truth:
    """Truth about the heart in closed form: exact areas of its contours in each slice times the slice distance.

    Attributes:
        volumes_ml: structure's name -> volume at each phase.
        ed_phase: end-diastole, the phase of the largest left cavity.
        es_phase: end-systole, the phase of the smallest left cavity.
        ef_percent: of the left ventricle.
        right_ef_percent: of the right.
        myocardial_mass_g: at end-diastole, 1.05 g/ml.
        wall_mm: thickness of the left wall in the slice's plane, of every slice, at end-diastole and at end-systole,
            alike all around, 0 if the slice shows no ventricle.
    """

    volumes_ml: dict[str, tuple[float, ...]]
    ed_phase: int
    es_phase: int
    ef_percent: float
    right_ef_percent: float
    myocardial_mass_g: float
    wall_mm: tuple[tuple[float, ...], tuple[float, ...]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Orientation:
    """How the stack lies in LPS space, for the DICOM header.

    Attributes:
        rows: direction of rows, then of columns (6).
        first_mm: position of the first voxel of the first slice.
        step_mm: vector from slice to slice.
    """

    rows: tuple[float, ...]
    first_mm: tuple[float, float, float]
    step_mm: tuple[float, float, float]


@dataclass(frozen=True)
class PhantomStudy:
    """Image (uint16) and label (uint8) on one grid, their truth, and their files."""

    patient: Patient
    image: Cine
    label: Cine
    truth: Truth
    orientation: Orientation


def make_cine(
    patient: Patient,
    *,
    n_phases: int = 12,
    n_slices: int = 10,
    size: int = 160,
    pixel_mm: float = 1.9,
    step_mm: float = 10.0,
) -> PhantomStudy:
    """Scan a synthetic patient.

    The stack runs from below the apex (k = 0) to above the base. Slices beyond either end show no ventricle.

    Args:
        patient: the patient to scan.
        n_phases: phases in a cycle, T.
        n_slices: Z.
        size: pixels along X and Y.
        pixel_mm: size of one.
        step_mm: slice distance.
    """
    scanner = make_scanner(patient.seed, size=size, pixel_mm=pixel_mm, n_slices=n_slices)
    rng = np.random.default_rng([patient.seed, 5])
    image = np.empty((n_phases, size, size, n_slices), dtype=np.uint16)
    label = np.empty(image.shape, dtype=np.uint8)
    areas = np.empty((n_phases, n_slices, 3))
    depths_mm = [(n_slices - 1.5 - k) * step_mm for k in range(n_slices)]
    for k, depth_mm in enumerate(depths_mm):
        u, v = heart_coordinates(patient, scanner, k)
        for t in range(n_phases):
            circles = section(patient, depth_mm=depth_mm, time=t / n_phases)
            areas[t, k] = circles.areas_mm2
            label[t, :, :, k] = draw_labels(circles, u, v)
            image[t, :, :, k] = expose(draw_picture(circles, u, v, scanner), scanner, rng)
    orientation = _orientation(patient, size=size, pixel_mm=pixel_mm, step_mm=step_mm)
    affine = affine_from_dicom(
        position=orientation.first_mm,
        orientation=orientation.rows,
        pixel_spacing=(pixel_mm, pixel_mm),
        slice_step=orientation.step_mm,
    )
    grid = Grid((size, size, n_slices), affine)
    cycle_ms = 60_000.0 / patient.heart_rate_bpm
    times_ms = tuple(round(t * cycle_ms / n_phases, 3) for t in range(n_phases))
    facts = StudyFacts(heart_rate_bpm=patient.heart_rate_bpm, height_m=1.75, weight_kg=72.0)
    return PhantomStudy(
        patient=patient,
        image=Cine(image, grid, times_ms=times_ms, facts=facts),
        label=Cine(label, grid, times_ms=times_ms, facts=facts),
        truth=_truth(patient, areas * step_mm / 1000.0, depths_mm),
        orientation=orientation,
    )


def _truth(patient: Patient, slices_ml: np.ndarray, depths_mm: Sequence[float]) -> Truth:
    totals = slices_ml.sum(axis=1)
    left, wall, right = totals.T
    ed, es = int(left.argmax()), int(left.argmin())
    at_ed, at_es = (
        tuple(section(patient, depth_mm=depth, time=t / len(left)).wall_mm for depth in depths_mm) for t in (ed, es)
    )
    return Truth(
        volumes_ml={s.name: tuple(column.tolist()) for s, column in zip(STRUCTURES, totals.T, strict=True)},
        ed_phase=ed,
        es_phase=es,
        ef_percent=float(100.0 * (left[ed] - left[es]) / left[ed]),
        right_ef_percent=float(100.0 * (right[ed] - right[es]) / right[ed]),
        myocardial_mass_g=float(wall[ed] * DENSITY_G_PER_ML),
        wall_mm=(at_ed, at_es),
    )


def _orientation(patient: Patient, *, size: int, pixel_mm: float, step_mm: float) -> Orientation:
    """A double-oblique stack across an axis that points right, back and up, as short-axis stacks lie."""
    normal = np.array([-0.60, 0.58, 0.55]) + np.array(patient.tilt)
    normal /= np.linalg.norm(normal)
    along = np.cross(np.array([0.1, 0.5, 1.0]), normal)
    along /= np.linalg.norm(along)
    if along[0] < 0:
        along = -along
    down = np.cross(normal, along)
    half = (size - 1) / 2 * pixel_mm
    first = np.array([20.0, -30.0, 10.0]) - half * along - half * down - 50.0 * normal
    rows = tuple(np.round([*along, *down], 10).tolist())
    return Orientation(rows, tuple(np.round(first, 6).tolist()), tuple(np.round(normal * step_mm, 8).tolist()))
