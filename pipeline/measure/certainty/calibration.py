"""A calibration: from what the network tells of its certainty to the Dice and the volumes that are to be expected.

It is made from patients whom the network that labelled them had never seen, see `evaluate.calibration`. There is
nothing in it but numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from pipeline.core.labels import LV, RV, STRUCTURES
from pipeline.measure.certainty.features import FEATURES, to_logit

__all__ = ["Calibration", "DiceCurve", "Limits"]

Limits = tuple[float, float]
"""Lower and upper limit of truth - found, in units of a quantity's spread."""


_STRUCTURES = {structure.name for structure in STRUCTURES}
_FUNCTIONS = {side.name: {"sv_ml", "ef_percent"} for side in (LV, RV)}


@dataclass(frozen=True)
class DiceCurve:
    """From the features of one structure to the Dice that is to be expected.

    A linear function of the features estimates the Dice's logit, and a rising curve leads from that to the mean Dice of
    volumes for which it was so.

    Attributes:
        means: of each feature.
        scales: standard deviation of each.
        weights: of each, standardised.
        intercept: of the logit.
        estimates: rising logits, knots of the curve.
        dice: Dice at the knots; between them the curve is straight, beyond them level.
        low: what the Dice's logit lies below the expected one's in one volume of twenty, 0 or less.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    estimates: tuple[float, ...]
    dice: tuple[float, ...]
    low: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DiceCurve:
        """Read back the object's fields.

        Raises:
            KeyError, TypeError, ValueError: the object has another form.
        """
        listed = ("means", "scales", "weights", "estimates", "dice")
        means, scales, weights, estimates, dice = (tuple(float(one) for one in content[name]) for name in listed)
        return cls(means, scales, weights, float(content["intercept"]), estimates, dice, float(content["low"]))

    def expect(self, features: np.ndarray) -> np.ndarray:
        """Expected Dice of features (..., `FEATURES`); NaN where they are."""
        scaled = (features - np.array(self.means)) / np.array(self.scales)
        estimates = scaled @ np.array(self.weights) + self.intercept
        return np.where(np.isnan(estimates), np.nan, np.interp(estimates, self.estimates, self.dice))

    def expect_at_least(self, features: np.ndarray) -> np.ndarray:
        """Dice that nineteen volumes of twenty with such features reach."""
        lowest: np.ndarray = expit(to_logit(self.expect(features)) + self.low)
        return lowest


@dataclass(frozen=True)
class Calibration:
    """What a bundle's certainty was worth, out of fold.

    Attributes:
        curves: structure's name -> its curve.
        volumes: structure's name -> limits of its volume.
        functions: "left_ventricle" and "right_ventricle" -> quantity ("sv_ml", "ef_percent") -> its limits.
        level: probability of the limits.
        pass_dice: mean expected Dice of a volume's structures from which it passes.
        fail_dice: mean expected Dice of a volume's structures below which it fails.
        weights_sha256: digest of the weights that it is for; empty for the folds' own.
        made_from: what it was made from, for people: patients, volumes, data set, date.
    """

    curves: Mapping[str, DiceCurve]
    volumes: Mapping[str, Limits]
    functions: Mapping[str, Mapping[str, Limits]]
    level: float
    pass_dice: float
    fail_dice: float
    weights_sha256: str
    made_from: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As `calibration.json` holds it."""
        return {"format": 1, "features": list(FEATURES), **asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Calibration:
        """Read back the output of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: the object has another form.
        """
        if content["format"] != 1 or tuple(content["features"]) != FEATURES:
            raise ValueError("another format or other features")
        if {*content["curves"]} != _STRUCTURES or {*content["volumes"]} != _STRUCTURES:
            raise ValueError("other structures")
        if {side: {*pairs} for side, pairs in content["functions"].items()} != _FUNCTIONS:
            raise ValueError("other functions")
        curves = {name: DiceCurve.from_json(curve) for name, curve in content["curves"].items()}
        volumes = {name: _limits(pair) for name, pair in content["volumes"].items()}
        functions = {
            side: {quantity: _limits(pair) for quantity, pair in pairs.items()}
            for side, pairs in content["functions"].items()
        }
        level, pass_dice, fail_dice = (float(content[name]) for name in ("level", "pass_dice", "fail_dice"))
        digest, made_from = str(content["weights_sha256"]), dict(content["made_from"])
        return cls(curves, volumes, functions, level, pass_dice, fail_dice, digest, made_from)


def _limits(pair: Any) -> Limits:
    low, high = pair
    return float(low), float(high)
