"""Rows that a calibration is made from, and volumes as it judged them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import DatasetError
from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES
from pipeline.core.measurements import Verdict
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.evaluate.scores import VolumeScore, score_volume
from pipeline.measure.certainty.calibration import Limits
from pipeline.measure.certainty.features import describe_certainty, spread_of_volumes
from pipeline.measure.function import volumes_ml

__all__ = ["JudgedVolume", "StructureRow", "by_volume", "drawn_whole", "structure_rows"]


@dataclass(frozen=True)
class StructureRow:
    """One structure of one volume that a network labelled that had never seen its patient.

    Attributes:
        patient: its name.
        volume: which of the patient's volumes, "ED" or "ES" for the heart's function.
        structure: its name.
        features: `measure.certainty.features.FEATURES`, NaN where it was not found.
        dice: with the experts' labels, NaN where they did not draw it.
        true_ml: the experts' volume, likewise.
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

    @property
    def is_drawn(self) -> bool:
        """Whether experts drew it."""
        return bool(np.isfinite(self.dice) and np.isfinite(self.true_ml))


@dataclass(frozen=True)
class JudgedVolume:
    """A volume as a calibration judged it that was made without its patient.

    Attributes:
        patient: its name.
        volume: which of the patient's volumes.
        expected: structure's name -> expected Dice, 0 where it was not found.
        low: structure's name -> the Dice that nineteen of twenty such volumes reach.
        dice: structure's name -> Dice with the experts' labels, NaN where they did not draw it.
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
    def is_whole(self) -> bool:
        """Whether experts drew every structure."""
        return bool(np.isfinite(list(self.dice.values())).all())

    @property
    def mean_dice(self) -> float:
        """Over the structures."""
        return float(np.mean(list(self.dice.values())))

    @property
    def mean_expected(self) -> float:
        """Over the structures."""
        return float(np.mean(list(self.expected.values())))


def structure_rows(
    truth: np.ndarray,
    labels: np.ndarray,
    sums: ProbabilitySums,
    grid: Grid,
    *,
    patient: str,
    volumes: Mapping[int, str],
) -> Iterator[tuple[StructureRow, VolumeScore]]:
    """Each structure of a network's labels, and its score.

    Args:
        truth: (T, X, Y, Z) label map, drawn by experts.
        labels: (T, X, Y, Z) label map, the network's.
        sums: of the network's probabilities.
        grid: of both.
        patient: the patient's name.
        volumes: phases that somebody has drawn -> their names.
    """
    found_ml = np.array(list(volumes_ml(labels, grid).values())).T
    features, spread_ml = describe_certainty(sums, found_ml), spread_of_volumes(sums, found_ml)
    for phase, name in volumes.items():
        scores = score_volume(truth[phase], labels[phase], grid, patient=patient, volume=name)
        for index, score in enumerate(scores):
            yield _row(score, features[phase, index], float(spread_ml[phase, index])), score


def _row(score: VolumeScore, features: np.ndarray, spread_ml: float) -> StructureRow:
    told = tuple(float(value) for value in features)
    return StructureRow(
        patient=score.patient,
        volume=score.volume,
        structure=score.structure,
        features=told,
        dice=np.nan if score.dice is None else score.dice,
        true_ml=np.nan if score.true_ml is None else score.true_ml,
        found_ml=np.nan if score.found_ml is None else score.found_ml,
        spread_ml=spread_ml,
    )


def drawn_whole(rows: Sequence[StructureRow]) -> list[StructureRow]:
    """The rows of volumes in which experts drew every structure."""
    partly = {(row.patient, row.volume) for row in rows if not row.is_drawn}
    return [row for row in rows if (row.patient, row.volume) not in partly]


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
