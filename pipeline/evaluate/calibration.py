"""Fit a calibration to patients whom the network never saw, and say what it is worth on patients it never saw itself.

Everything that is quoted of a calibration comes from `cross_fit`: patients are split into groups, and each is judged by
a calibration that was made from the others, with its own curves, limits and threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from pipeline.core.certainty import spread_of_function, verdict_of
from pipeline.core.errors import DatasetError
from pipeline.core.labels import LV, RV, STRUCTURES
from pipeline.evaluate.calibration_rows import JudgedVolume, StructureRow, by_volume, drawn_whole
from pipeline.measure.certainty.calibration import Calibration, DiceCurve, Limits
from pipeline.measure.certainty.features import to_logit

__all__ = ["GOOD_DICE", "choose_fail_threshold", "choose_threshold", "cross_fit", "fit_calibration"]

GOOD_DICE = 0.88
"""Mean Dice of a volume's structures below which it is bad."""

MISSED = 0.02
"""Share of bad volumes that a verdict may let pass."""

SURELY_BAD = 0.9
"""Share of the failing volumes that must be bad."""

LEVEL = 0.9
"""Probability of the intervals."""

_LOW = 0.05
_N_GROUPS = 10
_MIN_PATIENTS = 2 * _N_GROUPS
_RIDGE = tuple(np.logspace(-2, 3, 11))


def fit_calibration(
    rows: Sequence[StructureRow], *, weights_sha256: str = "", made_from: Mapping[str, Any] | None = None
) -> Calibration:
    """Fit a calibration.

    Curves are fitted to all rows, but limits and threshold to what curves say that were fitted without the patient.
    Volumes in which a structure was not drawn have no part in it.

    Args:
        rows: three structures for every volume, out of fold.
        weights_sha256: digest of the weights that it is for.
        made_from: what they are of, for people.

    Raises:
        DatasetError: fewer than 20 patients, or a volume that lacks a structure's row.
    """
    _require_patients(rows)
    return _fit(drawn_whole(rows), weights_sha256, dict(made_from or {}))


def _require_patients(rows: Sequence[StructureRow]) -> None:
    n_patients = len({row.patient for row in drawn_whole(rows)})
    if n_patients < _MIN_PATIENTS:
        raise DatasetError(
            f"a calibration needs {_MIN_PATIENTS} patients or more in whom all structures were drawn, got {n_patients}"
        )


def _fit(rows: Sequence[StructureRow], weights_sha256: str, made_from: dict[str, Any]) -> Calibration:
    volumes = by_volume(rows)
    expected = {s.name: _expect_out_of_group([row for row in rows if row.structure == s.name]) for s in STRUCTURES}
    of_volumes = {key: float(np.mean([expected[name].get(key, 0.0) for name in own])) for key, own in volumes.items()}
    dice = {key: float(np.mean([row.dice for row in own.values()])) for key, own in volumes.items()}
    ends = np.array([of_volumes[key] for key in volumes]), np.array([dice[key] for key in volumes])
    return Calibration(
        curves={
            s.name: _fit_curve([row for row in rows if row.structure == s.name], expected[s.name]) for s in STRUCTURES
        },
        volumes={s.name: _volume_limits([row for row in rows if row.structure == s.name]) for s in STRUCTURES},
        functions={
            side.name: {
                quantity: _function_limits(volumes, side.name, quantity) for quantity in ("sv_ml", "ef_percent")
            }
            for side in (LV, RV)
        },
        level=LEVEL,
        pass_dice=choose_threshold(*ends),
        fail_dice=choose_fail_threshold(*ends),
        weights_sha256=weights_sha256,
        made_from=made_from,
    )


def cross_fit(rows: Sequence[StructureRow]) -> list[JudgedVolume]:
    """Judge every volume by a calibration that was made without its patient.

    Args:
        rows: as for `fit_calibration`. Volumes in which a structure was not drawn are judged as well.

    Raises:
        DatasetError: as `fit_calibration`.
    """
    _require_patients(rows)
    patients = np.array([row.patient for row in rows])
    judged: list[JudgedVolume] = []
    for rest, group in GroupKFold(_N_GROUPS, shuffle=True, random_state=0).split(patients, groups=patients):
        calibration = _fit(drawn_whole([rows[index] for index in rest]), "", {})
        volumes = by_volume([rows[index] for index in group])
        judged += [_judge(calibration, key, own) for key, own in volumes.items()]
    return sorted(judged, key=lambda one: (one.patient, one.volume))


def choose_threshold(expected: np.ndarray, dice: np.ndarray) -> float:
    """The lowest expected Dice from which no more than `MISSED` of the volumes that reach it are bad.

    Where fewer than 1 / `MISSED` volumes reach it, all of them are good.

    Args:
        expected: (n,) mean expected Dice of each volume.
        dice: (n,) mean Dice.

    Returns:
        A threshold between two volumes' values; above 1 where no threshold will do.

    >>> choose_threshold(np.array([0.8, 0.9, 0.95]), np.array([0.7, 0.9, 0.95]))
    0.85
    """
    levels = np.unique(expected)
    passing = expected >= levels[:, None]
    allowed = np.flatnonzero((passing & (dice < GOOD_DICE)).sum(axis=1) <= MISSED * passing.sum(axis=1))
    if not allowed.size:
        return 1.01
    lowest = int(allowed[0])
    return round(float(levels[lowest] if lowest == 0 else levels[lowest - 1 : lowest + 1].mean()), 4)


def choose_fail_threshold(expected: np.ndarray, dice: np.ndarray) -> float:
    """The highest expected Dice below which at least `SURELY_BAD` of the volumes are bad.

    Args:
        expected: (n,) mean expected Dice of each volume.
        dice: (n,) mean Dice.

    Returns:
        A threshold between two volumes' values; 0 where no threshold will do.

    >>> choose_fail_threshold(np.array([0.7, 0.8, 0.9, 0.95]), np.array([0.7, 0.8, 0.9, 0.95]))
    0.85
    """
    levels = np.unique(expected)
    failing = expected <= levels[:, None]
    bad = (failing & (dice < GOOD_DICE)).sum(axis=1)
    allowed = np.flatnonzero(bad[:-1] >= SURELY_BAD * failing[:-1].sum(axis=1))  # never all of them
    return round(float(levels[allowed[-1] : allowed[-1] + 2].mean()), 4) if allowed.size else 0.0


def _expect_out_of_group(rows: Sequence[StructureRow]) -> dict[tuple[str, str], float]:
    """Expected Dice of one structure in each volume where it was found, by curves fitted to other patients."""
    found = [row for row in rows if row.is_found]
    patients = np.array([row.patient for row in found])
    expected: dict[tuple[str, str], float] = {}
    for rest, group in GroupKFold(_N_GROUPS).split(patients, groups=patients):
        curve = _fit_curve([found[index] for index in rest])
        values = curve.expect(np.array([found[index].features for index in group]))
        expected |= {(found[i].patient, found[i].volume): float(v) for i, v in zip(group, values, strict=True)}
    return expected


def _fit_curve(rows: Sequence[StructureRow], expected: Mapping[tuple[str, str], float] | None = None) -> DiceCurve:
    """Fit the curve of one structure; `low` comes from `expected`, which curves fitted to other patients gave."""
    found = [row for row in rows if row.is_found]
    features, dice = np.array([row.features for row in found]), np.array([row.dice for row in found])
    scaler = StandardScaler().fit(features)
    line = RidgeCV(alphas=_RIDGE).fit(scaler.transform(features), to_logit(dice))
    estimates = line.predict(scaler.transform(features))
    rising = IsotonicRegression(out_of_bounds="clip").fit(estimates, dice)
    low = 0.0
    if expected is not None:
        differences = [to_logit(np.array(r.dice)) - to_logit(np.array(expected[r.patient, r.volume])) for r in found]
        low = min(0.0, float(np.quantile(differences, _LOW, method="lower")))
    return DiceCurve(
        means=tuple(scaler.mean_.tolist()),
        scales=tuple(scaler.scale_.tolist()),
        weights=tuple(line.coef_.tolist()),
        intercept=float(line.intercept_),
        estimates=tuple(rising.X_thresholds_.tolist()),
        dice=tuple(rising.y_thresholds_.tolist()),
        low=low,
    )


def _volume_limits(rows: Sequence[StructureRow]) -> Limits:
    return _limits([(row.true_ml - row.found_ml) / row.spread_ml for row in rows if row.is_found])


def _function_limits(volumes: Mapping[tuple[str, str], Mapping[str, StructureRow]], side: str, quantity: str) -> Limits:
    """Limits of a stroke volume or ejection fraction over the patients with both phases."""
    errors = []
    for patient in sorted({patient for patient, _ in volumes}):
        pair = [volumes.get((patient, phase), {}).get(side) for phase in ("ED", "ES")]
        if (error := _function_error(pair, quantity)) is not None:
            errors.append(error)
    return _limits(errors)


def _function_error(pair: Sequence[StructureRow | None], quantity: str) -> float | None:
    """Truth less found in spreads; `None` where a phase is missing or the ventricle was not found."""
    ed, es = pair
    if ed is None or es is None or not (ed.is_found and es.is_found) or ed.true_ml <= 0:
        return None
    spread = spread_of_function(quantity, (ed.found_ml, es.found_ml), (ed.spread_ml, es.spread_ml))
    true, found = (_function(quantity, *ml) for ml in ((ed.true_ml, es.true_ml), (ed.found_ml, es.found_ml)))
    return (true - found) / spread


def _function(quantity: str, edv_ml: float, esv_ml: float) -> float:
    return edv_ml - esv_ml if quantity == "sv_ml" else 100.0 * (edv_ml - esv_ml) / edv_ml


def _limits(errors: Sequence[float]) -> Limits:
    """Limits within which a new error lies with a probability of `LEVEL`: order statistics, as in conformal prediction.

    Of n errors and a new one every rank is equally likely, so that the k-th smallest of the n lies above the new one
    with a probability of k / (n + 1) (Vovk et al., Algorithmic Learning in a Random World, 2005). Too few errors for
    that give the smallest and largest.

    Raises:
        DatasetError: no error at all.
    """
    if not errors:
        raise DatasetError("a calibration needs patients with ED and ES in whom both ventricles were found, got none")
    ordered, tail = np.sort(np.array(errors)), (1.0 - LEVEL) / 2.0
    below = max(int(np.floor(tail * (len(ordered) + 1))) - 1, 0)
    return float(ordered[below]), float(ordered[len(ordered) - 1 - below])


def _judge(calibration: Calibration, key: tuple[str, str], own: Mapping[str, StructureRow]) -> JudgedVolume:
    patient, volume = key
    features = {name: np.array(row.features) for name, row in own.items()}
    expected = {name: _known(calibration.curves[name].expect(features[name])) for name in own}
    mean = float(np.mean(list(expected.values())))
    return JudgedVolume(
        patient=patient,
        volume=volume,
        expected=expected,
        low={name: _known(calibration.curves[name].expect_at_least(features[name])) for name in own},
        dice={name: row.dice for name, row in own.items()},
        intervals={name: _interval(row, calibration.volumes[name]) for name, row in own.items()},
        true_ml={name: row.true_ml for name, row in own.items()},
        verdict=verdict_of(mean, pass_dice=calibration.pass_dice, fail_dice=calibration.fail_dice),
    )


def _known(value: np.ndarray) -> float:
    """0 for what was not found."""
    return 0.0 if np.isnan(value) else float(value)


def _interval(row: StructureRow, limits: Limits) -> Limits | None:
    if not row.is_found:
        return None
    return max(0.0, row.found_ml + limits[0] * row.spread_ml), max(0.0, row.found_ml + limits[1] * row.spread_ml)
