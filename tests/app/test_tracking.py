"""`tracking`: where a training's curves go, and the name by which results, record and MLflow know its run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pipeline.app.segmenter import Segmenter
from pipeline.core.errors import ConfigError
from pipeline.phantom.dataset import write_dataset
from pipeline.train import tracking

from .test_training import SCAN, SETTINGS, record, train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracking") / "patients"
    write_dataset(folder, n_patients=4, **SCAN)
    return folder


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of the libraries beneath it
def test_mlflow_has_the_run_that_results_name(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs MLflow: pip install 'cardiac-mr-pipeline[mlflow]'")
    pytest.importorskip("alembic", reason="needs MLflow: pip install 'cardiac-mr-pipeline[mlflow]'")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "run"
    train(out, "--data", str(data), tracking="mlflow", **SETTINGS, **{"train#handlers#11#every": 1})
    client = mlflow.MlflowClient(f"sqlite:///{out / 'eval' / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'cardiac-mr-pipeline'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == record(out)["run"] == Segmenter(out).provenance.bundle.training_run
    assert run.info.status == "FINISHED"
    assert {"seed": "0", "batch_size": "2"}.items() <= run.data.params.items()
    losses = client.get_metric_history(run.info.run_id, "train_loss")
    assert [one.step for one in losses] == list(range(1, len(losses) + 1))
    assert len(losses) >= 4
    assert [one.step for one in client.get_metric_history(run.info.run_id, "dice_mean")] == [1, 2]
    assert not list(out.rglob("events*"))


def test_without_tracking_there_are_no_curves_and_each_run_has_a_name_of_its_own(data: Path, tmp_path: Path) -> None:
    names = set()
    for out in (tmp_path / "first", tmp_path / "second"):
        train(out, "--data", str(data), tracking="none", **SETTINGS | {"epochs": 1})
        assert not [path for path in out.rglob("*") if path.name.startswith(("events", "mlflow"))]
        names.add(record(out)["run"])
    assert len(names) == 2
    train(out, "--resume", epochs=2)
    assert record(out)["run"] == tracking.training_run(out)
    assert record(out)["run"] in names


def test_what_cannot_be_tracked_is_refused_before_anything_is_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tracking, "find_spec", lambda name: None if name == "mlflow" else importlib.util.find_spec(name)
    )
    for kind, reason in (("mlflow", r"pip install 'cardiac-mr-pipeline\[mlflow\]'"), ("wandb", "must be one of none")):
        with pytest.raises(ConfigError, match=reason):
            train(tmp_path / "run", "--data", str(data), tracking=kind, **SETTINGS)
    assert not (tmp_path / "run").exists()


def test_a_bundle_that_states_no_run_has_none(tmp_path: Path) -> None:
    assert tracking.training_run(tmp_path) is None
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    assert tracking.training_run(tmp_path) is None
