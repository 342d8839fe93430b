"""Volumes and ventricular function from label maps (SCMR post-processing, Schulz-Menger et al., JCMR 22:19, 2020).

Volume is the sum over slices of area times the length of the stack that the slice stands for: the distance of slice
centres, from the affine, or each slice's own share where they are unevenly apart. Papillary muscles lie in the cavity,
as the labels draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pipeline.core.errors import ConfigError
from pipeline.core.geometry import Grid, bounding_box
from pipeline.core.labels import BACKGROUND, STRUCTURES
from pipeline.core.measurements import Function
from pipeline.measure.volume_curve import Rates

__all__ = [
    "MYOCARDIAL_DENSITY_G_PER_ML",
    "BsaMethod",
    "body_surface_m2",
    "ventricular_function",
    "volumes_ml",
]

MYOCARDIAL_DENSITY_G_PER_ML = 1.05

BsaMethod = Literal["mosteller", "dubois"]


def volumes_ml(labels: np.ndarray, grid: Grid) -> dict[str, tuple[float, ...]]:
    """Volume of each structure at each phase.

    Args:
        labels: (T, X, Y, Z) label map. Values that are no structure are ignored.
        grid: where the voxels lie.

    Returns:
        Structure's name -> T volumes in ml.

    >>> labels = np.zeros((1, 2, 2, 2), np.uint8)
    >>> labels[0, 0, 0, 0] = 1
    >>> round(volumes_ml(labels, Grid((2, 2, 2), np.diag([2.0, 2.0, 10.0, 1.0])))["left_ventricle"][0], 6)
    0.04
    """
    drawn = labels.max(axis=0).max(axis=2) > BACKGROUND
    x, y = bounding_box(drawn)  # a heart fills some 8 % of a picture
    counts = {s.name: (labels[:, x, y] == s.value).sum(axis=(1, 2)) for s in STRUCTURES}
    return {name: tuple((per_phase @ grid.voxel_volumes_ml).tolist()) for name, per_phase in counts.items()}


def ventricular_function(
    cavity_ml: Sequence[float], *, ed: int, es: int, heart_rate_bpm: float | None = None, rates: Rates | None = None
) -> Function:
    """Function of a ventricle between two phases, from its volumes as measured.

    Args:
        cavity_ml: volume at each phase.
        ed: end-diastole, 0-based.
        es: end-systole. A volume larger than at ED gives a negative stroke volume, possible for the right ventricle.
        heart_rate_bpm: beats a minute.
        rates: peak rates, if known.

    >>> ventricular_function([120.0, 48.0], ed=0, es=1, heart_rate_bpm=60).ef_percent
    60.0
    """
    rates = rates or Rates()
    edv, esv = cavity_ml[ed], cavity_ml[es]
    stroke = edv - esv
    return Function(
        edv_ml=edv,
        esv_ml=esv,
        sv_ml=stroke,
        ef_percent=100.0 * stroke / edv if edv > 0 else None,
        co_l_per_min=None if heart_rate_bpm is None else stroke * heart_rate_bpm / 1000.0,
        peak_ejection_rate_ml_per_s=rates.ejection_ml_per_s,
        peak_filling_rate_ml_per_s=rates.filling_ml_per_s,
    )


def body_surface_m2(*, height_m: float, weight_kg: float, method: BsaMethod = "mosteller") -> float:
    """Body surface area in m2, from the height H in cm and the weight W in kg.

    "mosteller": sqrt(H W / 3600) (Mosteller, NEJM 317:1098, 1987). "dubois": 0.007184 H^0.725 W^0.425 (Du Bois and
    Du Bois, Arch Intern Med 17:863, 1916).

    Raises:
        ConfigError: another method, or a body without height or weight.

    >>> round(body_surface_m2(height_m=1.80, weight_kg=80.0), 2)
    2.0
    >>> round(body_surface_m2(height_m=1.80, weight_kg=80.0, method="dubois"), 2)
    2.0
    """
    if not (height_m > 0 and weight_kg > 0):
        raise ConfigError(f"body surface needs a height and a weight above 0, got {height_m} m and {weight_kg} kg")
    height_cm = height_m * 100.0
    if method == "mosteller":
        return float(np.sqrt(height_cm * weight_kg / 3600.0))
    if method == "dubois":
        return float(0.007184 * height_cm**0.725 * weight_kg**0.425)
    raise ConfigError(f'`method` must be "mosteller" or "dubois", got {method!r}')
