"""A study's label map to all that is said of it: numbers, expected Dice, quality."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from pipeline.core.images import Cine
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Measurements
from pipeline.core.pose import PoseFinding
from pipeline.core.review import leave_out_slices, tell_excluded
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.measure.quality.assess import assess_quality

__all__ = ["measure_study"]


def measure_study(
    cine: Cine,
    labels: np.ndarray,
    *,
    confidence: np.ndarray | None = None,
    pose: PoseFinding | None = None,
    choice: PhaseChoice | None = None,
    excluded_slices: Collection[int] = (),
) -> Measurements:
    """Measure and judge a label map of a cine.

    Args:
        cine: the images.
        labels: (T, X, Y, Z) label map on the cine's grid.
        confidence: (T, structures) expected Dice, NaN where a structure is absent, see `infer.confidence`; `None`
            where the labels are not a network's.
        pose: how the slices were laid down for the network; `None` where no pose was looked for.
        choice: phases given rather than found, and the formula of the body surface.
        excluded_slices: slices that nothing counts, 0-based, as if nothing were drawn there.

    Returns:
        The measurements with quality; the reader's notes come first, then one on the pose, then one on slices excluded.

    Raises:
        GridError, ConfigError: what `measurements.measure_cine` refuses, or an excluded slice that is not there.
    """
    labels = leave_out_slices(labels, excluded_slices)
    measured = measure_cine(labels, cine.grid, times_ms=cine.times_ms, facts=cine.facts, choice=choice)
    of_pose = () if pose is None else (pose.sentence(),)
    notes = (*cine.notes, *of_pose, *tell_excluded(excluded_slices), *measured.notes)
    measured = replace(measured, notes=notes, pose=pose, confidence=_by_structure(confidence))
    return replace(measured, quality=assess_quality(labels, cine.grid, measured))


def _by_structure(confidence: np.ndarray | None) -> dict[str, tuple[float | None, ...]] | None:
    """Expected Dice (T, structures) by structure's name. NaN, for an absent structure, becomes `None`."""
    if confidence is None:
        return None
    columns = np.asarray(confidence, dtype=float).T.tolist()
    return {
        s.name: tuple(None if math.isnan(value) else round(value, 4) for value in column)
        for s, column in zip(STRUCTURES, columns, strict=True)
    }
