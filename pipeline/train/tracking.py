"""Where a training's curves go: to TensorBoard, to MLflow, or nowhere; and the name by which a run is found again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ignite.engine import Engine
from monai.handlers import MLFlowHandler

from pipeline.core.case import TRAINING_RUN
from pipeline.core.errors import ConfigError

__all__ = ["mlflow_curves", "require_tracking", "training_run"]

_EXPERIMENT = "cardiac-mr-pipeline"
_NEEDED = ("mlflow", "sqlalchemy", "alembic")


def training_run(bundle_root: str | Path) -> str | None:
    """The run that a bundle is of, as its metadata, results and MLflow name it; `None` for one that states none."""
    metadata = Path(bundle_root) / "configs" / "metadata.json"
    if not metadata.is_file():
        return None
    run: str | None = json.loads(metadata.read_text(encoding="utf-8")).get(TRAINING_RUN)
    return run


def require_tracking(kind: Any) -> None:
    """Refuse MLflow where it is not installed, before anything is trained.

    Raises:
        ConfigError: it is not.
    """
    if kind == "mlflow" and not all(map(find_spec, _NEEDED)):
        raise ConfigError("`tracking` by mlflow needs MLflow: pip install 'cardiac-mr-pipeline[mlflow]'")


def mlflow_curves(
    *,
    output_dir: str,
    bundle_root: str,
    every: int = 0,
    loss: Callable[[Any], Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> MLFlowHandler:
    """MONAI's handler for MLflow, with a store of the run's own: a SQLite file in its folder.

    The environment's `MLFLOW_TRACKING_URI` names another store, as a server's. A training that goes on after a kill
    goes on in the same run of MLflow's; one that goes on after its end is a second one of the same name.

    Args:
        output_dir: the run's folder of records.
        bundle_root: the bundle's folder, whose run gives the name.
        every: iterations between losses that are written; 0: an evaluator's, which has none.
        loss: takes an engine's output and gives the loss.
        settings: what identifies the run.
    """
    folder = Path(output_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return MLFlowHandler(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifact_location=(folder / "mlflow").as_uri(),
        experiment_name=_EXPERIMENT,
        run_name=training_run(bundle_root) or Path(bundle_root).resolve().name,
        experiment_param=dict(settings or {}),
        iteration_log=_EveryFew(every) if every else False,
        output_transform=loss or float,
        tag_name="train_loss",
        close_on_complete=bool(every),
    )


class _EveryFew:
    """Ignite's filter of events: every so many."""

    def __init__(self, every: int) -> None:
        self.every = every

    def __call__(self, _engine: Engine, count: int) -> bool:
        return count % self.every == 0
