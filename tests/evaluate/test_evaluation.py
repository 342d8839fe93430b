import csv
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from pipeline.core.errors import DatasetError
from pipeline.core.labels import LV, MYO, RV, UNLABELLED
from pipeline.evaluate.evaluation import EvaluationRecord, write_evaluation


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
def image(tmp_path: Path) -> MetaTensor:
    """What a reader gives of a file of three phases: that there is one, and where."""
    path = tmp_path / "image.nii.gz"
    cine = nib.Nifti1Image(np.arange(600, dtype=np.float32).reshape(10, 10, 2, 3), np.diag([1.0, 1.0, 10.0, 1.0]))
    cine.header.set_xyzt_units("mm", "msec")
    nib.save(cine, path)
    return MetaTensor(torch.zeros(1, 10, 10, 2), meta={"filename_or_obj": str(path)})


@pytest.fixture
def items(image: MetaTensor) -> list[dict]:
    return [
        {"patient": patient, "phase": phase, "truth": _labels(cavity), "image": image}
        for patient in ("p1", "p2")
        for phase, cavity in (("ED", 5), ("ES", 3))
    ]


def test_the_page_shows_the_best_the_median_and_the_worst_volume(tmp_path: Path, items: list[dict]) -> None:
    page = (_evaluate(tmp_path / "eval", items) / "evaluation.html").read_text()
    shown = re.findall(r"<figcaption>(\w+): (\w+ \w+), Dice ([\d.]+), slice", page)
    assert [name for name, _, _ in shown] == ["best", "median", "worst"]
    dice = [float(value) for _, _, value in shown]
    assert dice == sorted(dice, reverse=True)
    assert dice[0] > dice[-1]
    assert page.count('alt="Image, truth and prediction"') == 3


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
    assert page.count("data:image/png") == 10


def test_a_cine_counts_its_labelled_phases(tmp_path: Path, image: MetaTensor) -> None:
    truth = _labels(4, n_phases=3)
    truth[1] = UNLABELLED
    folder = _evaluate(tmp_path, [{"patient": "p1", "phase": "", "truth": truth, "image": image}])
    assert _volumes(folder) == {"t00", "t02"}


def test_an_unnamed_volume_takes_its_files_name(tmp_path: Path, image: MetaTensor) -> None:
    folder = _evaluate(tmp_path, [{"patient": "p1", "phase": "", "truth": _labels(4), "image": image}])
    assert _volumes(folder) == {"p1_07"}
    assert not (folder / "patients.csv").exists()


def test_nothing_to_score_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="labelled volumes"):
        write_evaluation(tmp_path, [], title="none")
