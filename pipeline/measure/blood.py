"""The left cavity's blood alone: papillary muscles and trabeculae, which contours leave within it, told by intensity.

Labels count them as cavity. Who counts them as muscle has other volumes, mass and ejection fractions (Weinsaft et al.,
Int J Cardiol 126:359, 2008; Chuang et al., JACC Cardiovasc Imaging 5:1115, 2012), so a study states both.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.images import Cine
from pipeline.core.labels import LV, MYO
from pipeline.core.measurements import BloodVolumes
from pipeline.measure.function import MYOCARDIAL_DENSITY_G_PER_ML, ventricular_function

__all__ = ["blood_mask", "measure_blood", "papillary_as_wall"]

MIN_CONTRAST = 1.3
"""Blood over wall from which both are told apart. Steady-state cines have 2 to 4."""

_BLOOD_PERCENTILE = 75
"""Of a cavity's values: up to a third of them may be muscle."""

_FEW_VOXELS = 20
"""So few voxels of cavity or wall in a slice give no level of their own."""


def blood_mask(image: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Voxels of the left cavity that are blood.

    A voxel is blood where it is brighter than the middle between blood and wall, which are told slice by slice, since
    coils and flow make slices differ: the wall by its median, the blood by the 75th percentile of the cavity.

    Args:
        image: (X, Y, Z) intensities of one phase.
        labels: (X, Y, Z) label map.

    Returns:
        (X, Y, Z) mask; `None` where cavity and wall of the whole phase differ by less than `MIN_CONTRAST`, or one of
        them is nowhere.
    """
    cavity, wall = labels == LV.value, labels == MYO.value
    usual = _middle(image[cavity], image[wall])
    if usual is None:
        return None
    blood = np.zeros_like(cavity)
    for z in range(labels.shape[2]):
        inside, muscle = image[..., z][cavity[..., z]], image[..., z][wall[..., z]]
        own = _middle(inside, muscle) if min(inside.size, muscle.size) >= _FEW_VOXELS else None
        blood[..., z] = cavity[..., z] & (image[..., z] > (usual if own is None else own))
    return blood


def _middle(inside: np.ndarray, muscle: np.ndarray) -> float | None:
    """The value halfway between blood and wall; `None` where they are not told apart."""
    if not inside.size or not muscle.size:
        return None
    blood, wall = float(np.percentile(inside, _BLOOD_PERCENTILE)), float(np.median(muscle))
    return (blood + wall) / 2 if blood >= MIN_CONTRAST * max(wall, 0.0) and blood > 0 else None


def measure_blood(cine: Cine, labels: np.ndarray, *, ed: int, es: int) -> BloodVolumes | None:
    """Left-ventricular volumes of the blood alone, and the mass with what the cavity holds besides.

    Args:
        cine: the images.
        labels: (T, X, Y, Z) label map on the cine's grid.
        ed: end-diastole, 0-based.
        es: end-systole.

    Returns:
        The volumes; `None` where blood and wall cannot be told apart at either phase.
    """
    masks = [blood_mask(cine.array[phase], labels[phase]) for phase in (ed, es)]
    if masks[0] is None or masks[1] is None:
        return None
    function = ventricular_function([_volume_ml(mask, cine) for mask in masks if mask is not None], ed=0, es=1)
    muscle_ml = _volume_ml((labels[ed] == MYO.value) | ((labels[ed] == LV.value) & ~masks[0]), cine)
    return BloodVolumes(
        edv_ml=round(function.edv_ml, 3),
        esv_ml=round(function.esv_ml, 3),
        sv_ml=round(function.sv_ml, 3),
        ef_percent=None if function.ef_percent is None else round(function.ef_percent, 3),
        myocardial_mass_g=round(muscle_ml * MYOCARDIAL_DENSITY_G_PER_ML, 3),
    )


def papillary_as_wall(cine: Cine, labels: np.ndarray) -> np.ndarray | None:
    """A label map whose left cavity is its blood alone: what else is in the contour is wall.

    Args:
        cine: the images.
        labels: (T, X, Y, Z) label map on the cine's grid, left as it is.

    Returns:
        (T, X, Y, Z); `None` where blood and wall cannot be told apart at a phase that has a cavity.
    """
    counted = labels.copy()
    for image, phase in zip(cine.array, counted, strict=True):
        cavity = phase == LV.value
        if not cavity.any():
            continue
        blood = blood_mask(image, phase)
        if blood is None:
            return None
        phase[cavity & ~blood] = MYO.value
    return counted


def _volume_ml(mask: np.ndarray, cine: Cine) -> float:
    return float(mask.sum(axis=(0, 1)) @ cine.grid.voxel_volumes_ml)
