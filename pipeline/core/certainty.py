"""What a network tells of its own labels: the Dice to be expected, how the slices lay, and intervals of the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pipeline.core.pose import PoseFinding

__all__ = ["Certainty", "ExpectedDice", "Interval", "NetworkReport", "mean_dice", "spread_of_function", "verdict_of"]

Interval = tuple[float, float]
"""Lower and upper end, in the quantity's unit."""

ExpectedDice = Mapping[str, Sequence[float | None]]
"""Structure's name -> Dice to be expected at each phase, `None` where the structure is absent."""


@dataclass(frozen=True)
class Certainty:
    """What the bundle's calibration adds, phase by phase. With it the expected Dice is calibrated.

    Attributes:
        dice_low: structure's name -> the Dice that nineteen such volumes of twenty reach, `None` where it is absent.
        spread_ml: likewise, the volume that is possible but not sure, the unit of the volumes' limits.
        volumes: structure's name -> limits of an expert's volume less the one found, in spreads.
        functions: ventricle -> "sv_ml", "ef_percent" -> limits, in spreads of that quantity, see `spread_of_function`.
        level: probability with which an expert's number lies within the limits, for patients like those of the
            calibration.
        pass_dice: mean of the structures' expected Dice from which a phase passes.
        fail_dice: mean of the structures' expected Dice below which a phase fails.
    """

    dice_low: ExpectedDice
    spread_ml: ExpectedDice
    volumes: Mapping[str, Interval]
    functions: Mapping[str, Mapping[str, Interval]]
    level: float
    pass_dice: float
    fail_dice: float

    def volume_interval(self, structure: str, phase: int, volume_ml: float) -> Interval | None:
        """Interval of an expert's volume in ml, or `None` where the structure is absent."""
        spread_ml = self.spread_ml[structure][phase]
        if spread_ml is None:
            return None
        low, high = self.volumes[structure]
        return max(0.0, volume_ml + low * spread_ml), max(0.0, volume_ml + high * spread_ml)

    def function_interval(
        self, ventricle: str, quantity: str, phases: tuple[int, int], volumes_ml: tuple[float, float]
    ) -> Interval | None:
        """Interval of a ventricle's stroke volume or ejection fraction.

        Args:
            ventricle: its structure's name.
            quantity: "sv_ml" or "ef_percent".
            phases: end-diastole and end-systole.
            volumes_ml: at those phases.

        Returns:
            In ml or percent; `None` where the ventricle is absent at either.
        """
        ed_ml, es_ml = (self.spread_ml[ventricle][phase] for phase in phases)
        if ed_ml is None or es_ml is None or volumes_ml[0] <= 0:
            return None
        spread = spread_of_function(quantity, volumes_ml, (ed_ml, es_ml))
        stroke = volumes_ml[0] - volumes_ml[1]
        value = stroke if quantity == "sv_ml" else 100.0 * stroke / volumes_ml[0]
        low, high = self.functions[ventricle][quantity]
        return value + low * spread, value + high * spread

    def to_json(self) -> dict[str, Any]:
        """As `measurements.json` holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Certainty:
        """Read back the output of `to_json`.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        pairs = {name: _pair(pair) for name, pair in content["volumes"].items()}
        functions = {
            side: {name: _pair(pair) for name, pair in limits.items()} for side, limits in content["functions"].items()
        }
        return cls(**{**content, "volumes": pairs, "functions": functions})


@dataclass(frozen=True)
class NetworkReport:
    """What a network tells of its own labels; it holds for no others.

    Attributes:
        expected_dice: of each structure at each phase; `None` where the bundle estimates none.
        certainty: what the bundle's calibration adds; `None` without one.
        pose: how the slices were laid down for the network; `None` where no pose was looked for.
    """

    expected_dice: ExpectedDice | None = None
    certainty: Certainty | None = None
    pose: PoseFinding | None = None

    def of_other_labels(self) -> NetworkReport:
        """What is left of it for labels that are no longer the network's: how the slices lay."""
        return replace(self, expected_dice=None, certainty=None)


def mean_dice(expected: ExpectedDice, phase: int) -> float | None:
    """Mean over the structures at a phase, an absent one counting 0; `None` if all are absent.

    >>> mean_dice({"a": (0.9,), "b": (None,)}, 0)
    0.45
    """
    values = [column[phase] for column in expected.values()]
    return None if all(value is None for value in values) else sum(value or 0.0 for value in values) / len(values)


def verdict_of(expected: float, *, pass_dice: float, fail_dice: float) -> Literal["pass", "review", "fail"]:
    """What a mean expected Dice says by a calibration's thresholds.

    >>> [verdict_of(dice, pass_dice=0.9, fail_dice=0.8) for dice in (0.9, 0.8, 0.79)]
    ['pass', 'review', 'fail']
    """
    return "pass" if expected >= pass_dice else "fail" if expected < fail_dice else "review"


def spread_of_function(quantity: str, volumes_ml: tuple[float, float], spreads_ml: tuple[float, float]) -> float:
    """Spread of a stroke volume or ejection fraction, by propagation of its volumes' spreads to first order.

    With EF = 100 (1 - ESV / EDV) its derivatives are 100 ESV / EDV^2 and -100 / EDV.

    Args:
        quantity: "sv_ml" or "ef_percent".
        volumes_ml: at end-diastole, above 0, and end-systole.
        spreads_ml: of those.

    >>> spread_of_function("sv_ml", (100.0, 40.0), (3.0, 4.0))
    5.0
    >>> round(spread_of_function("ef_percent", (100.0, 50.0), (6.0, 4.0)), 6)  # 100 * hypot(50 * 6 / 1e4, 4 / 1e2)
    5.0
    """
    (edv, esv), (ed, es) = volumes_ml, spreads_ml
    return math.hypot(ed, es) if quantity == "sv_ml" else 100.0 * math.hypot(esv * ed / edv**2, es / edv)


def _pair(pair: Sequence[Any]) -> Interval:
    low, high = pair
    return float(low), float(high)
