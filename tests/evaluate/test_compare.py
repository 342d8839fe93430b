"""Two evaluations, compared patient by patient, from the tables they left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.core.errors import DatasetError
from pipeline.core.labels import STRUCTURES
from pipeline.evaluate.compare import compare_evaluations, read_scores
from pipeline.evaluate.scores import VolumeScore
from pipeline.write.tables import write_table


def _evaluation(folder: Path, dice_by_patient: Mapping[str, float | None]) -> Path:
    scores = [
        VolumeScore(patient, "ED", structure.name, dice, dice, 5.0, 3.0, 0.5, 100.0, 90.0)
        for patient, dice in dice_by_patient.items()
        for structure in STRUCTURES
    ]
    folder.mkdir()
    write_table(folder / "volumes.csv", [asdict(score) for score in scores])
    return folder


def test_a_table_reads_back(tmp_path: Path) -> None:
    (score, *_) = read_scores(_evaluation(tmp_path / "a", {"p1": None}))
    assert score == VolumeScore("p1", "ED", STRUCTURES[0].name, None, None, 5.0, 3.0, 0.5, 100.0, 90.0)


def test_the_difference_is_second_minus_first_with_its_interval(tmp_path: Path) -> None:
    first = _evaluation(tmp_path / "first", {"p1": 0.8, "p2": 0.9})
    second = _evaluation(tmp_path / "second", {"p1": 0.85, "p2": 0.95})
    lines = compare_evaluations(first, second).splitlines()
    mean = next(line for line in lines if line.startswith("mean")).split()
    # every patient gains 0.05, so that resampling patients changes nothing
    assert mean == ["mean", "0.8500", "0.9000", "+0.0500", "+0.0500", "to", "+0.0500"]
    assert lines[-1] == "Not for diagnosis."


def test_other_patients_are_not_compared(tmp_path: Path) -> None:
    first = _evaluation(tmp_path / "first", {"p1": 0.8, "p2": 0.9})
    with pytest.raises(DatasetError, match="same patients"):
        compare_evaluations(first, _evaluation(tmp_path / "second", {"p1": 0.8}))


def test_no_table_or_another_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cmr evaluate"):
        read_scores(tmp_path)
    (tmp_path / "volumes.csv").write_text("patient,dice\np1,0.5\n")
    with pytest.raises(DatasetError, match="cmr evaluate"):
        read_scores(tmp_path)
