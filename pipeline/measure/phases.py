"""End-diastole and end-systole: one pair of phases for both ventricles and all slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.core.errors import ConfigError
from pipeline.measure.volume_curve import Beat, find_spikes, make_beat, smooth_volumes

__all__ = ["Kind", "Phases", "find_phases", "kind_of"]

Kind = Literal["cine", "few_phases", "single_phase"]
"""A whole beat, two to four phases (such as files of ED and ES only), or one phase."""

Origin = Literal["curve", "given"]

MIN_CINE_PHASES = 5


@dataclass(frozen=True)
class Phases:
    """The phases of end-diastole and end-systole, and how they were chosen.

    Attributes:
        kind: kind of the series of phases.
        ed: 0-based.
        es: 0-based, or `None` for a single phase.
        ed_from: "curve", or "given" by the user.
        es_from: the same for end-systole.
        curve_ml: of a cine, the smoothed volume at each phase, from which ED and ES were taken, or `None` otherwise.
        passed_over: phases whose volume sticks out of the beat. The curve ignores them, and neither ED nor ES is one of
            them.
    """

    kind: Kind
    ed: int
    es: int | None
    ed_from: Origin = "curve"
    es_from: Origin = "curve"
    curve_ml: tuple[float, ...] | None = None
    passed_over: tuple[int, ...] = ()


def kind_of(n_phases: int) -> Kind:
    """Classify a series by its number of phases.

    >>> kind_of(30), kind_of(2), kind_of(1)
    ('cine', 'few_phases', 'single_phase')
    """
    if n_phases < 2:
        return "single_phase"
    return "cine" if n_phases >= MIN_CINE_PHASES else "few_phases"


def find_phases(
    cavity_ml: Sequence[float], *, beat: Beat | None = None, ed: int | None = None, es: int | None = None
) -> Phases:
    """Find ED and ES: the phases of the largest and the smallest volume of the left cavity.

    In a cine they are taken from the smoothed curve, ignoring phases that stick out of the beat. With fewer phases they
    are taken from the volumes as they are.

    Args:
        cavity_ml: volume at each phase, T >= 1. The earliest of equal volumes is taken.
        beat: when the phases are (equal steps if not given).
        ed: take this phase for ED, 0-based.
        es: take this phase for ES.

    Returns:
        The phases. If the volume never changes, for instance because nothing was found, the first and the second phase.

    Raises:
        ConfigError: a given phase that does not exist, one phase for both, or an ES given for a single phase.

    >>> found = find_phases([100.0, 60.0, 45.0, 80.0])
    >>> found.ed, found.es, found.kind
    (0, 2, 'few_phases')
    """
    n_phases, kind = len(cavity_ml), kind_of(len(cavity_ml))
    for name, phase in (("ed", ed), ("es", es)):
        if phase is not None and not 0 <= phase < n_phases:
            raise ConfigError(f"`{name}` must be a phase from 0 to {n_phases - 1}, got {phase}")
    ed_from: Origin = "curve" if ed is None else "given"
    if kind == "single_phase":
        if es is not None:
            raise ConfigError("`es` must stay unset for a single phase, which has no end-systole beside it")
        return Phases(kind, 0, None, ed_from)
    curve, spikes = _curve(cavity_ml, beat)
    found_ed = int(np.where(spikes, -np.inf, curve).argmax()) if ed is None else ed
    found_es = int(np.where(spikes, np.inf, curve).argmin()) if es is None else es
    if found_ed == found_es and (ed is not None or es is not None):
        raise ConfigError(f"`ed` and `es` must be two phases, got {found_ed} for both; give the other as well")
    if found_ed == found_es:  # a flat curve: any two phases are as good
        found_es = (found_ed + 1) % n_phases
    return Phases(
        kind,
        found_ed,
        found_es,
        ed_from,
        "curve" if es is None else "given",
        curve_ml=tuple(curve.tolist()) if kind == "cine" else None,
        passed_over=tuple(np.flatnonzero(spikes).tolist()),
    )


def _curve(cavity_ml: Sequence[float], beat: Beat | None) -> tuple[np.ndarray, np.ndarray]:
    """The volumes to choose from, and which of them not to choose."""
    volumes = np.asarray(cavity_ml, dtype=float)
    if kind_of(len(volumes)) != "cine":
        return volumes, np.zeros(len(volumes), dtype=bool)
    spikes = find_spikes(cavity_ml)
    return smooth_volumes(cavity_ml, beat or make_beat(len(volumes)), spikes=spikes), spikes
