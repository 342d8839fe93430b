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
from pipeline.measure.blood import measure_blood, papillary_as_wall
from pipeline.measure.certainty.calibration import Calibration
from pipeline.measure.certainty.judging import expect_dice, judge_certainty
from pipeline.measure.function import MYOCARDIAL_DENSITY_G_PER_ML, volumes_ml
from pipeline.measure.measurements import PhaseChoice, measure_cine
from pipeline.measure.quality.assess import assess_quality

__all__ = ["hear_network", "measure_study"]

_COUNTED = (
    *("papillary", "volumes_ml", "lv_curve_ml", "left", "right", "myocardial_mass_g", "indexed", "slices"),
    *("references", "conventions"),
)
"""What papillary muscles count in."""


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
        choice: how to measure.
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
    measured = replace(measured, quality=assess_quality(labels, cine.grid, measured))
    if choice is not None and choice.papillary == "mass":
        measured = _count_papillary_as_mass(measured, cine, labels, choice)
    if measured.ed_phase is not None and measured.es_phase is not None:
        blood = measure_blood(cine, labels, ed=measured.ed_phase, es=measured.es_phase)
        measured = replace(measured, blood=blood)
    return measured if excluded_slices else replace(measured, intervals=_intervals(measured))


def _count_papillary_as_mass(
    measured: Measurements, cine: Cine, labels: np.ndarray, choice: PhaseChoice
) -> Measurements:
    """The measurements with other volumes and what follows from them, at the same phases; noted where none can be."""
    counted = papillary_as_wall(cine, labels)
    if counted is None:
        note = "papillary muscles count as cavity, for blood and wall cannot be told apart by brightness"
        return replace(measured, notes=(*measured.notes, note))
    phases = replace(choice, ed=measured.ed_phase, es=measured.es_phase)
    other = measure_cine(labels, cine.grid, times_ms=cine.times_ms, facts=cine.facts, choice=phases, counted=counted)
    return replace(measured, **{key: getattr(other, key) for key in _COUNTED})


def _intervals(measured: Measurements) -> dict[str, Interval] | None:
    """Quantity -> interval of an expert's number; `None` without a calibration or without function."""
    certainty, ed, es = measured.certainty, measured.ed_phase, measured.es_phase
    if certainty is None or ed is None or es is None:
        return None
    found: dict[str, Interval | None] = {}
    as_experts = measured.papillary == "cavity"  # those of the calibration
    if as_experts:
        mass = certainty.volume_interval(MYO.name, ed, measured.volumes_ml[MYO.name][ed])
        density = MYOCARDIAL_DENSITY_G_PER_ML
        found["myocardial_mass_g"] = mass and (mass[0] * density, mass[1] * density)
    for name in (LV.name, RV.name) if as_experts else (RV.name,):
        volumes = measured.volumes_ml[name][ed], measured.volumes_ml[name][es]
        found[f"{name}_edv_ml"] = certainty.volume_interval(name, ed, volumes[0])
        found[f"{name}_esv_ml"] = certainty.volume_interval(name, es, volumes[1])
        for quantity in ("sv_ml", "ef_percent"):
            found[f"{name}_{quantity}"] = certainty.function_interval(name, quantity, (ed, es), volumes)
    return {key: (round(ends[0], 3), round(ends[1], 3)) for key, ends in found.items() if ends is not None}
