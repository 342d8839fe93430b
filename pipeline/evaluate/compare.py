"""Two evaluations of the same patients, compared pair by pair."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipeline.core.errors import DatasetError
from pipeline.core.labels import STRUCTURES
from pipeline.evaluate.agreement import bootstrap_interval, paired_difference
from pipeline.evaluate.scores import VolumeScore, by_patient, mean_dice_by_patient

__all__ = ["compare_evaluations", "read_scores"]

_NAMES = ("patient", "volume", "structure")


def compare_evaluations(first: Path, second: Path) -> str:
    """Difference in Dice, second minus first, with a 95 % interval by bootstrap over patients.

    Args:
        first: folder of an evaluation, with `volumes.csv`.
        second: another one, of the same volumes.

    Returns:
        A table for the terminal. An interval that contains 0 shows no difference.

    Raises:
        DatasetError: no evaluation there, or of other patients or volumes.
    """
    ours, theirs = read_scores(first), read_scores(second)
    lines = [f"{'Dice per volume':<20s}{'first':>8s}{'second':>8s}{'difference':>12s}   95 % interval"]
    for name in [*(s.name for s in STRUCTURES), "mean"]:
        one, two = _dice(ours, name), _dice(theirs, name)
        gain = paired_difference(one, two)
        means = [bootstrap_interval(values).mean for values in (one, two)]
        label = name.replace("_", " ")
        lines.append(
            f"{label:<20s}{means[0]:8.4f}{means[1]:8.4f}{gain.mean:+12.4f}   {gain.low:+.4f} to {gain.high:+.4f}"
        )
    return "\n".join([*lines, "Not for diagnosis."])


def read_scores(folder: Path) -> list[VolumeScore]:
    """Read an evaluation's `volumes.csv` back.

    Raises:
        DatasetError: the file is missing or holds other columns.
    """
    path = folder / "volumes.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [_score(row) for row in rows]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(f"an evaluation's table is needed, as `cmr evaluate` writes it ({error!r})", path) from error


def _score(row: Mapping[str, str]) -> VolumeScore:
    values: dict[str, Any] = {f.name: row[f.name] for f in fields(VolumeScore)}
    numbers = {name: float(text) if text else None for name, text in values.items() if name not in _NAMES}
    return VolumeScore(**(values | numbers))


def _dice(scores: Sequence[VolumeScore], name: str) -> dict[str, list[float]]:
    return mean_dice_by_patient(scores) if name == "mean" else by_patient(scores, structure=name)
