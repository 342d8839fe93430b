"""Rows that a calibration is made from, and volumes as it judged them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import DatasetError
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Verdict
from pipeline.measure.certainty.calibration import Limits

__all__ = ["JudgedVolume", "StructureRow", "by_volume"]


@dataclass(frozen=True)
class StructureRow:
    """One structure of one volume that a network labelled that had never seen its patient.

    Attributes:
        patient: its name.
        volume: which of the patient's volumes, "ED" or "ES" for the heart's function.
        structure: its name.
        features: `measure.certainty.features.FEATURES`, NaN where it was not found.
        dice: with the experts' labels.
        true_ml: the experts' volume.
        found_ml: the network's.
        spread_ml: see `features.spread_of_volumes`, NaN where it was not found.
    """

    patient: str
    volume: str
    structure: str
    features: tuple[float, ...]
    dice: float
    true_ml: float
    found_ml: float
    spread_ml: float

    @property
    def is_found(self) -> bool:
        """Whether the network labelled any of it."""
        return bool(np.isfinite(self.features).all() and np.isfinite(self.spread_ml))


@dataclass(frozen=True)
class JudgedVolume:
    """A volume as a calibration judged it that was made without its patient.

    Attributes:
        patient: its name.
        volume: which of the patient's volumes.
        expected: structure's name -> expected Dice, 0 where it was not found.
        low: structure's name -> the Dice that nineteen of twenty such volumes reach.
        dice: structure's name -> Dice with the experts' labels.
        intervals: structure's name -> interval of its volume in ml, `None` where it was not found.
        true_ml: structure's name -> the experts' volume.
        verdict: what the mean expected Dice says by the calibration's thresholds.
    """

    patient: str
    volume: str
    expected: Mapping[str, float]
    low: Mapping[str, float]
    dice: Mapping[str, float]
    intervals: Mapping[str, Limits | None]
    true_ml: Mapping[str, float]
    verdict: Verdict

    @property
    def mean_dice(self) -> float:
        """Over the structures."""
        return float(np.mean(list(self.dice.values())))

    @property
    def mean_expected(self) -> float:
        """Over the structures."""
        return float(np.mean(list(self.expected.values())))


def by_volume(rows: Sequence[StructureRow]) -> dict[tuple[str, str], dict[str, StructureRow]]:
    """Rows by (patient, volume) and structure.

    Raises:
        DatasetError: a volume without a row of each structure.
    """
    volumes: dict[tuple[str, str], dict[str, StructureRow]] = defaultdict(dict)
    for row in rows:
        volumes[row.patient, row.volume][row.structure] = row
    for (patient, volume), own in volumes.items():
        if missing := {s.name for s in STRUCTURES} - own.keys():
            raise DatasetError(
                f"a calibration needs all structures of a volume, {patient} {volume} lacks {sorted(missing)}"
            )
    return dict(volumes)
