import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from pipeline.core.errors import DatasetError
from pipeline.core.labels import LV, MYO, RV, UNLABELLED
from pipeline.train.evaluation import EvaluationRecord, write_evaluation


def _labels(cavity: int, n_phases: int = 1) -> np.ndarray:
    labels = np.zeros((n_phases, 10, 10, 2), np.uint8)
    labels[:, :cavity], labels[:, cavity : cavity + 2], labels[:, 8:] = LV.value, MYO.value, RV.value
    return labels


def _evaluator(found_cavity: int) -> Engine:
    """An evaluator as MONAI's: decollated items and their label maps in its state."""

    def step(engine: Engine, item: dict) -> list:
        engine.state.batch = [item]
        meta = {"affine": torch.diag(torch.tensor([1.0, 1.0, 10.0, 1.0])), "filename_or_obj": "/data/p1_07.nii.gz"}
        guess = _labels(found_cavity, len(item["truth"]))
        return [{"label": MetaTensor(torch.from_numpy(item["truth"]), meta=meta), "pred": torch.from_numpy(guess)}]

    return Engine(step)


def _evaluate(folder: Path, items: list[dict], found_cavity: int = 4) -> Path:
    evaluator = _evaluator(found_cavity)
    EvaluationRecord(str(folder), title="unit").attach(evaluator)
    evaluator.run(items)
    return folder


def _volumes(folder: Path) -> set[str]:
    with (folder / "volumes.csv").open(newline="") as file:
        return {row["volume"] for row in csv.DictReader(file)}


@pytest.fixture
def items() -> list[dict]:
    return [
        {"patient": patient, "phase": phase, "truth": _labels(cavity)}
        for patient in ("p1", "p2")
        for phase, cavity in (("ED", 5), ("ES", 3))
    ]


def test_an_evaluation_leaves_tables_summary_and_page(tmp_path: Path, items: list[dict]) -> None:
    folder = _evaluate(tmp_path / "eval", items)
    with (folder / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3
    assert float(rows[0]["dice"]) == pytest.approx(2 * 4 / 9)
    summary = json.loads((folder / "summary.json").read_text())
    ef = next(row for row in summary["agreement"] if row["quantity"] == "lv_ef")
    assert ef["bias"] == pytest.approx(0 - 40)
    assert ef["n"] == 2
    page = (folder / "evaluation.html").read_text(encoding="utf-8")
    assert "4 volumes of 2 patients" in page
    assert page.count("data:image/png") == 7


def test_a_cine_counts_its_labelled_phases(tmp_path: Path) -> None:
    truth = _labels(4, n_phases=3)
    truth[1] = UNLABELLED
    folder = _evaluate(tmp_path, [{"patient": "p1", "phase": "", "truth": truth}])
    assert _volumes(folder) == {"t00", "t02"}


def test_an_unnamed_volume_takes_its_files_name(tmp_path: Path) -> None:
    folder = _evaluate(tmp_path, [{"patient": "p1", "phase": "", "truth": _labels(4)}])
    assert _volumes(folder) == {"p1_07"}
    assert not (folder / "patients.csv").exists()


def test_nothing_to_score_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="labelled volumes"):
        write_evaluation(tmp_path, [], title="none")
