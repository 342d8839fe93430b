"""End-diastole and end-systole from the volume of the left cavity over the beat.

The beat is a cycle: the phase after the last is the first. A phase whose segmentation failed must not become ED or ES,
so the curve is cleaned of single outliers and smoothed before it is asked; the volumes reported stay those measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from pipeline.core.errors import ConfigError

__all__ = ["FEWEST_CINE_PHASES", "Phases", "find_phases", "smooth_beat"]

FEWEST_CINE_PHASES = 5
"""Fewer are single frames (ED and ES, say) rather than a curve: they are taken as they are."""
_OUTLIER = 0.35
"""Of the curve's range: how far one phase may lie from the median of its neighbourhood. At 20 phases a beat the
steepest filling moves a volume by about a quarter of the stroke volume a phase."""
_WINDOW, _ORDER = 5, 2

Origin = Literal["curve", "given"]


@dataclass(frozen=True)
class Phases:
    """Which phases are end-diastole and end-systole, and how that is known.

    Attributes:
        kind: "cine" (a curve), "few_phases" (below `FEWEST_CINE_PHASES`, as files of ED and ES) or "single_phase".
        ed: 0-based.
        es: 0-based; `None` for a single phase.
        ed_from: "curve", or "given" by the user.
        es_from: likewise.
        curve_ml: the smoothed curve of a cine, T values; `None` otherwise.
    """

    kind: Literal["cine", "few_phases", "single_phase"]
    ed: int
    es: int | None
    ed_from: Origin
    es_from: Origin
    curve_ml: tuple[float, ...] | None = None


def find_phases(cavity_ml: Sequence[float], *, ed: int | None = None, es: int | None = None) -> Phases:
    """Find end-diastole and end-systole: the largest and the smallest volume of the left cavity.

    Args:
        cavity_ml: volume at each phase, T values; of equals the earliest is taken.
        ed: take this phase for end-diastole, 0-based.
        es: likewise for end-systole.

    Raises:
        ConfigError: a given phase that is not there, one phase for both, or an ES given for a single phase.

    >>> phases = find_phases([100.0, 60.0, 45.0, 80.0])
    >>> phases.ed, phases.es, phases.kind
    (0, 2, 'few_phases')
    """
    n_phases = len(cavity_ml)
    for name, phase in (("ed", ed), ("es", es)):
        if phase is not None and not 0 <= phase < n_phases:
            raise ConfigError(f"`{name}` must be a phase from 0 to {n_phases - 1}, got {phase}")
    if n_phases == 1:
        if es is not None:
            raise ConfigError("`es` must stay unset for a single phase, which has no end-systole beside it")
        return Phases("single_phase", 0, None, "curve" if ed is None else "given", "curve")
    is_cine = n_phases >= FEWEST_CINE_PHASES
    curve = smooth_beat(cavity_ml) if is_cine else np.asarray(cavity_ml, dtype=float)
    failed = _outliers(np.asarray(cavity_ml, dtype=float)) if is_cine else np.zeros(n_phases, dtype=bool)
    found_ed = int(np.where(failed, -np.inf, curve).argmax()) if ed is None else ed
    found_es = int(np.where(failed, np.inf, curve).argmin()) if es is None else es
    if found_ed == found_es and (ed is not None or es is not None):
        raise ConfigError(f"`ed` and `es` must be two phases, got {found_ed} for both; give the other as well")
    if found_ed == found_es:  # a flat curve, as where nothing was found: any two phases are as good
        found_es = 1
    return Phases(
        "cine" if is_cine else "few_phases",
        found_ed,
        found_es,
        "curve" if ed is None else "given",
        "curve" if es is None else "given",
        tuple(curve.tolist()) if is_cine else None,
    )


def smooth_beat(volumes_ml: Sequence[float]) -> np.ndarray:
    """Clean a volume curve of single outliers and smooth it, as the cycle that it is.

    A phase farther than 0.35 of the curve's range from the median of itself and its four neighbours is replaced by
    that median; then a quadratic is fitted through every five phases in a row (Savitzky and Golay, Anal. Chem.
    36:1627, 1964), which keeps the height of peaks better than a mean would.

    Args:
        volumes_ml: at least 5 values, evenly spaced in the beat.

    Returns:
        (T,) float64.

    >>> smooth_beat([100.0, 90.0, 70.0, 50.0, 40.0, 50.0, 70.0, 90.0])[:2].round(1).tolist()
    [98.3, 90.0]
    """
    volumes = np.asarray(volumes_ml, dtype=float)
    cleaned = np.where(_outliers(volumes), _neighbourhood(volumes), volumes)
    smooth: np.ndarray = savgol_filter(cleaned, _WINDOW, _ORDER, mode="wrap")
    return smooth


def _neighbourhood(volumes: np.ndarray) -> np.ndarray:
    """Median of each phase and its two neighbours on either side, around the cycle."""
    median: np.ndarray = median_filter(volumes, size=_WINDOW, mode="wrap")
    return median


def _outliers(volumes: np.ndarray) -> np.ndarray:
    """Phases whose volume does not belong into the curve, (T,) bool."""
    median = _neighbourhood(volumes)
    outliers: np.ndarray = np.abs(volumes - median) > _OUTLIER * np.ptp(median)
    return outliers
