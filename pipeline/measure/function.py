"""Volumes and ventricular function from label maps (SCMR post-processing, Schulz-Menger et al., JCMR 22:19, 2020).

Volume is the sum over slices of area times the distance of slice centres, which is the count of voxels times the volume
of one, taken from the affine. Papillary muscles lie in the cavity, as the labels draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES

__all__ = [
    "MYOCARDIAL_DENSITY_G_PER_ML",
    "BsaMethod",
    "Function",
    "body_surface_m2",
    "peak_rates_ml_per_s",
    "ventricular_function",
    "volumes_ml",
]

MYOCARDIAL_DENSITY_G_PER_ML = 1.05

BsaMethod = Literal["mosteller", "dubois"]


@dataclass(frozen=True)
class Function:
    """Function of one ventricle.

    Attributes:
        edv_ml: volume at end-diastole.
        esv_ml: volume at end-systole.
        sv_ml: stroke volume, EDV - ESV.
        ef_percent: ejection fraction, 100 SV / EDV; `None` where EDV is 0.
        co_l_per_min: cardiac output, SV x heart rate; `None` without a heart rate.
        peak_ejection_rate_ml_per_s: see `peak_rates_ml_per_s`; `None` without a curve or its times.
        peak_filling_rate_ml_per_s: likewise.
    """

    edv_ml: float
    esv_ml: float
    sv_ml: float
    ef_percent: float | None
    co_l_per_min: float | None = None
    peak_ejection_rate_ml_per_s: float | None = None
    peak_filling_rate_ml_per_s: float | None = None


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


def peak_rates_ml_per_s(
    curve_ml: Sequence[float], *, times_ms: Sequence[float] | None, heart_rate_bpm: float | None = None
) -> tuple[float, float] | None:
    """Peak ejection and peak filling rate: the steepest fall and the steepest rise of a volume curve.

    Central differences around the cycle. What closes it, from the last phase to the first of the next beat, lasts as
    long as the mean step of the others; without times, the R-R interval of the heart rate is divided evenly.

    Args:
        curve_ml: smoothed volumes of a whole beat, T values.
        times_ms: time of each phase, increasing; `None` where unknown.
        heart_rate_bpm: `None` where unknown.

    Returns:
        (ejection, filling), both in ml/s and not negative; `None` where no time is known.

    >>> peak_rates_ml_per_s([100, 75, 50, 75], times_ms=(0, 250, 500, 750))
    (100.0, 100.0)
    """
    curve = np.asarray(curve_ml, dtype=float)
    if times_ms is not None:
        seconds = np.asarray(times_ms, dtype=float) / 1000.0
        beat = (seconds[-1] - seconds[0]) * len(curve) / (len(curve) - 1)
    elif heart_rate_bpm:
        beat = 60.0 / heart_rate_bpm
        seconds = np.arange(len(curve)) * beat / len(curve)
    else:
        return None
    times = np.concatenate([[seconds[-1] - beat], seconds, [seconds[0] + beat]])
    volumes = np.concatenate([curve[-1:], curve, curve[:1]])
    slopes = (volumes[2:] - volumes[:-2]) / (times[2:] - times[:-2])
    return max(0.0, float(-slopes.min())), max(0.0, float(slopes.max()))


def body_surface_m2(*, height_m: float, weight_kg: float, method: BsaMethod = "mosteller") -> float:
    """Body surface area in m2.

    Mosteller (NEJM 317:1098, 1987): sqrt(height in cm x weight in kg / 3600). DuBois and DuBois (Arch. Intern. Med.
    17:863, 1916): 0.007184 x weight in kg^0.425 x height in cm^0.725.

    >>> round(body_surface_m2(height_m=1.80, weight_kg=80.0), 2)
    2.0
    >>> round(body_surface_m2(height_m=1.80, weight_kg=80.0, method="dubois"), 3)
    1.996
    """
    height_cm = height_m * 100.0
    if method == "dubois":
        return float(0.007184 * weight_kg**0.425 * height_cm**0.725)
    return float(np.sqrt(height_cm * weight_kg / 3600.0))
