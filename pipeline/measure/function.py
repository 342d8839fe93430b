"""Volumes and ventricular function from label maps (SCMR post-processing, Schulz-Menger et al., JCMR 22:19, 2020).

Volume is the sum over slices of area times the distance of slice centres, which is the count of voxels times the volume
of one, taken from the affine. Papillary muscles lie in the cavity, as the labels draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES

__all__ = [
    "MYOCARDIAL_DENSITY_G_PER_ML",
    "Function",
    "bsa_mosteller_m2",
    "find_phases",
    "ventricular_function",
    "volumes_ml",
]

MYOCARDIAL_DENSITY_G_PER_ML = 1.05


@dataclass(frozen=True)
class Function:
    """Function of one ventricle.

    Attributes:
        edv_ml: volume at end-diastole.
        esv_ml: volume at end-systole.
        sv_ml: stroke volume, EDV - ESV.
        ef_percent: ejection fraction, 100 SV / EDV; `None` where EDV is 0.
        co_l_per_min: cardiac output, SV x heart rate; `None` without a heart rate.
    """

    edv_ml: float
    esv_ml: float
    sv_ml: float
    ef_percent: float | None
    co_l_per_min: float | None = None


def volumes_ml(labels: np.ndarray, grid: Grid) -> dict[str, tuple[float, ...]]:
    """Volume of each structure at each phase.

    Args:
        labels: (T, X, Y, Z) label map; values that are no structure of ours count for nothing.
        grid: where the voxels lie.

    Returns:
        Structure's name -> T volumes in ml.

    >>> labels = np.zeros((1, 2, 2, 2), np.uint8)
    >>> labels[0, 0, 0, 0] = 1
    >>> round(volumes_ml(labels, Grid((2, 2, 2), np.diag([2.0, 2.0, 10.0, 1.0])))["left_ventricle"][0], 6)
    0.04
    """
    counts = {s.name: (labels == s.value).sum(axis=(1, 2, 3)) for s in STRUCTURES}
    return {name: tuple(float(n) * grid.voxel_volume_ml for n in per_phase) for name, per_phase in counts.items()}


def find_phases(cavity_ml: Sequence[float]) -> tuple[int, int | None]:
    """End-diastole and end-systole: the phases of the largest and the smallest volume of the left cavity.

    Args:
        cavity_ml: volume at each phase; the earliest of equals is taken.

    Returns:
        Phase indices (ED, ES); ES is `None` for a single phase.

    >>> find_phases([100.0, 60.0, 45.0, 80.0])
    (0, 2)
    """
    if len(cavity_ml) < 2:
        return 0, None
    return int(np.argmax(cavity_ml)), int(np.argmin(cavity_ml))


def ventricular_function(
    cavity_ml: Sequence[float], *, ed: int, es: int, heart_rate_bpm: float | None = None
) -> Function:
    """Function of a ventricle between two phases.

    >>> ventricular_function([120.0, 48.0], ed=0, es=1, heart_rate_bpm=60).ef_percent
    60.0
    """
    edv, esv = cavity_ml[ed], cavity_ml[es]
    stroke = edv - esv
    fraction = 100.0 * stroke / edv if edv > 0 else None
    output = None if heart_rate_bpm is None else stroke * heart_rate_bpm / 1000.0
    return Function(edv_ml=edv, esv_ml=esv, sv_ml=stroke, ef_percent=fraction, co_l_per_min=output)


def bsa_mosteller_m2(*, height_m: float, weight_kg: float) -> float:
    """Body surface area in m2: sqrt(height in cm x weight in kg / 3600) (Mosteller, NEJM 317:1098, 1987).

    >>> round(bsa_mosteller_m2(height_m=1.80, weight_kg=80.0), 2)
    2.0
    """
    return float(np.sqrt(height_m * 100.0 * weight_kg / 3600.0))
