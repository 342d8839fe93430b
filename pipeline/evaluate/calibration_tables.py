"""What a calibration is worth: expected beside measured Dice, coverage of intervals, and what its verdict lets pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from pipeline.core.labels import STRUCTURES
from pipeline.evaluate.agreement import bootstrap_interval
from pipeline.evaluate.calibration import GOOD_DICE
from pipeline.evaluate.calibration_rows import JudgedVolume

__all__ = ["area_interval", "calibration_tables", "expected_and_measured"]

_EDGES = (0.0, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.96, 1.0)
_N_RESAMPLES = 2000

LOW_STRUCTURE = 0.85
"""Dice of a single structure below which it is bad."""


def calibration_tables(judged: Sequence[JudgedVolume]) -> dict[str, Any]:
    """Tables of volumes that were judged by calibrations made without their patients.

    Args:
        judged: of `calibration.cross_fit`.

    Returns:
        All but the last of volumes in which every structure was drawn.
        `dice`: for each structure and their mean, the rank correlation of expected with measured Dice, the mean of
        expected - measured, the mean absolute difference, and the share of volumes that reach the lower limit.
        `reliability`: volumes by expected mean Dice, and what was measured. `coverage`: for each structure the share
        of the experts' volumes within their intervals, with its interval by bootstrap over patients. `verdict`: what
        passes, how much of that is bad, how many of the good ones do not pass; and the area under the ROC curve by
        which the expected mean Dice finds bad volumes, with its interval, `None` without both kinds. `partly_drawn`:
        for each structure, of the volumes in which it was drawn and another was not: how many, their mean Dice, how
        many pass, and how many of these have a Dice of the structure below `LOW_STRUCTURE`.
    """
    partly = [one for one in judged if not one.is_whole]
    judged = [one for one in judged if one.is_whole]
    return {
        "dice": {name: _compare(*pair) for name, pair in expected_and_measured(judged).items()},
        "reliability": _reliability(*expected_and_measured(judged)["mean"]),
        "reached": {s.name: _share(judged, _reaches(s.name)) for s in STRUCTURES},
        "coverage": {s.name: _share(judged, _covers(s.name)) for s in STRUCTURES},
        "verdict": _verdict(judged),
        "partly_drawn": {s.name: told for s in STRUCTURES if (told := _partly_drawn(partly, s.name))},
    }


def expected_and_measured(judged: Sequence[JudgedVolume]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Expected and measured Dice of all volumes by structure, and of their `mean`."""
    pairs = {
        s.name: (np.array([one.expected[s.name] for one in judged]), np.array([one.dice[s.name] for one in judged]))
        for s in STRUCTURES
    }
    means = np.array([one.mean_expected for one in judged]), np.array([one.mean_dice for one in judged])
    return pairs | {"mean": means}


def _compare(expected: np.ndarray, dice: np.ndarray) -> dict[str, float]:
    return {
        "rank_correlation": round(float(spearmanr(expected, dice).statistic), 4),
        "too_high_by": round(float((expected - dice).mean()), 4),
        "mean_absolute_difference": round(float(np.abs(expected - dice).mean()), 4),
    }


def _reliability(expected: np.ndarray, dice: np.ndarray) -> list[dict[str, float]]:
    rows = []
    for low, high in pairwise(_EDGES):
        inside = (expected >= low) & (expected < high)
        if inside.any():
            means = {"expected": round(float(expected[inside].mean()), 4), "dice": round(float(dice[inside].mean()), 4)}
            rows.append({"from": low, "to": high, "n": int(inside.sum()), **means})
    return rows


def _reaches(structure: str) -> Callable[[JudgedVolume], bool | None]:
    return lambda one: one.dice[structure] >= one.low[structure] if one.intervals[structure] else None


def _covers(structure: str) -> Callable[[JudgedVolume], bool | None]:
    def covers(one: JudgedVolume) -> bool | None:
        interval = one.intervals[structure]
        return None if interval is None else interval[0] <= one.true_ml[structure] <= interval[1]

    return covers


def _partly_drawn(judged: Sequence[JudgedVolume], structure: str) -> dict[str, Any]:
    own = [one for one in judged if np.isfinite(one.dice[structure])]
    if not own:
        return {}
    passing = [one.dice[structure] for one in own if one.verdict == "pass"]
    return {
        "volumes": len(own),
        "dice": round(float(np.mean([one.dice[structure] for one in own])), 4),
        "pass": len(passing),
        "low_that_pass": sum(dice < LOW_STRUCTURE for dice in passing),
    }


def _share(judged: Sequence[JudgedVolume], holds: Callable[[JudgedVolume], bool | None]) -> dict[str, Any]:
    """Share of the volumes for which something holds, of those for which it is known."""
    known: dict[str, list[float]] = defaultdict(list)
    for one in judged:
        if (value := holds(one)) is not None:
            known[one.patient].append(float(value))
    found = bootstrap_interval(known)
    interval = [round(found.low, 4), round(found.high, 4)]
    return {"n": sum(map(len, known.values())), "share": round(found.mean, 4), "interval": interval}


def _verdict(judged: Sequence[JudgedVolume]) -> dict[str, Any]:
    expected, dice = expected_and_measured(judged)["mean"]
    verdicts, bad = np.array([one.verdict for one in judged]), dice < GOOD_DICE
    passes, fails = verdicts == "pass", verdicts == "fail"
    patients = np.array([one.patient for one in judged])
    is_told = 0 < bad.sum() < len(bad)
    area = round(float(roc_auc_score(bad, -expected)), 4) if is_told else None
    return {
        "good_dice": GOOD_DICE,
        "volumes": len(judged),
        "bad": int(bad.sum()),
        "pass": int(passes.sum()),
        "bad_that_pass": int((passes & bad).sum()),
        "good_that_do_not_pass": int((~passes & ~bad).sum()),
        "fail": int(fails.sum()),
        "good_that_fail": int((fails & ~bad).sum()),
        "area": area,
        "area_interval": [round(end, 4) for end in area_interval(bad, -expected, patients)] if is_told else None,
    }


def area_interval(bad: np.ndarray, score: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of the area under the ROC curve by which a score finds bad volumes.

    A patient's volumes are drawn together, and draws without both kinds are left out.

    Args:
        bad: (n,) bool.
        score: (n,), higher for worse volumes.
        patients: (n,) names.
    """
    own, rng, areas = [np.flatnonzero(patients == name) for name in np.unique(patients)], np.random.default_rng(0), []
    for _ in range(_N_RESAMPLES):
        drawn = np.concatenate([own[index] for index in rng.integers(len(own), size=len(own))])
        if 0 < bad[drawn].sum() < len(drawn):
            areas.append(roc_auc_score(bad[drawn], score[drawn]))
    return float(np.quantile(areas, 0.025)), float(np.quantile(areas, 0.975))
