"""A study's label map to all that is said of it: numbers, expected Dice, quality."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from pipeline.core.certainty import Interval, NetworkReport
from pipeline.core.images import Cine
from pipeline.core.labels import LV, MYO, RV
from pipeline.core.measurements import Measurements
from pipeline.core.pose import PoseFinding
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.core.review import leave_out_slices, tell_excluded
from pipeline.measure.blood import measure_blood
from pipeline.measure.certainty.calibration import Calibration
from pipeline.measure.certainty.judging import expect_dice, judge_certainty
from pipeline.measure.function import MYOCARDIAL_DENSITY_G_PER_ML, volumes_ml
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.measure.quality.assess import assess_quality

__all__ = ["hear_network", "measure_study"]


def hear_network(
    cine: Cine,
    labels: np.ndarray,
    *,
    sums: ProbabilitySums | None,
    pose: PoseFinding | None = None,
    calibration: Calibration | None = None,
) -> NetworkReport:
    """What a network tells of the labels that it has just made.

    Args:
        cine: the images.
        labels: (T, X, Y, Z) label map on the cine's grid.
        sums: of the network's probabilities; `None` where the bundle estimates no confidence.
        pose: how the slices were laid down for it.
        calibration: of the bundle.
    """
    if sums is None:
        return NetworkReport(pose=pose)
    if calibration is None:
        return NetworkReport(expect_dice(sums), pose=pose)
    by_structure = np.array(list(volumes_ml(labels, cine.grid).values())).T
    return NetworkReport(*judge_certainty(calibration, sums, by_structure), pose)


def measure_study(
    cine: Cine,
    labels: np.ndarray,
    *,
    told: NetworkReport | None = None,
    choice: PhaseChoice | None = None,
    excluded_slices: Collection[int] = (),
) -> Measurements:
    """Measure and judge a label map of a cine.

    Args:
        cine: the images.
        labels: (T, X, Y, Z) label map on the cine's grid.
        told: what the network tells of these very labels, see `hear_network`; `None` where they are not a network's.
        choice: phases given rather than found, and the formula of the body surface.
        excluded_slices: slices that nothing counts, 0-based, as if nothing were drawn there. The network's certainty
            is of all slices: it stays as it is, and the numbers have no intervals.

    Returns:
        The measurements with quality; the reader's notes come first, then one on the pose, then one on slices excluded.

    Raises:
        GridError, ConfigError: what `measurements.measure_cine` refuses, or an excluded slice that is not there.
    """
    told = told or NetworkReport()
    labels = leave_out_slices(labels, excluded_slices)
    measured = measure_cine(labels, cine.grid, times_ms=cine.times_ms, facts=cine.facts, choice=choice)
    of_pose = () if told.pose is None else (told.pose.sentence(),)
    notes = (*cine.notes, *of_pose, *tell_excluded(excluded_slices), *measured.notes)
    measured = replace(measured, notes=notes, pose=told.pose, confidence=told.expected_dice, certainty=told.certainty)
    if measured.ed_phase is not None and measured.es_phase is not None:
        blood = measure_blood(cine, labels, ed=measured.ed_phase, es=measured.es_phase)
        measured = replace(measured, blood=blood)
    measured = measured if excluded_slices else replace(measured, intervals=_intervals(measured))
    return replace(measured, quality=assess_quality(labels, cine.grid, measured))


def _intervals(measured: Measurements) -> dict[str, Interval] | None:
    """Quantity -> interval of an expert's number; `None` without a calibration or without function."""
    certainty, ed, es = measured.certainty, measured.ed_phase, measured.es_phase
    if certainty is None or ed is None or es is None:
        return None
    mass = certainty.volume_interval(MYO.name, ed, measured.volumes_ml[MYO.name][ed])
    found = {"myocardial_mass_g": mass and tuple(end * MYOCARDIAL_DENSITY_G_PER_ML for end in mass)}
    for name in (LV.name, RV.name):
        volumes = measured.volumes_ml[name][ed], measured.volumes_ml[name][es]
        found[f"{name}_edv_ml"] = certainty.volume_interval(name, ed, volumes[0])
        found[f"{name}_esv_ml"] = certainty.volume_interval(name, es, volumes[1])
        for quantity in ("sv_ml", "ef_percent"):
            found[f"{name}_{quantity}"] = certainty.function_interval(name, quantity, (ed, es), volumes)
    return {key: (round(ends[0], 3), round(ends[1], 3)) for key, ends in found.items() if ends is not None}
