"""A training as a folder: begun in one of its own, gone on with as it was begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from pipeline.app.bundles import COPIED, copy_bundle, open_workflow, run_workflow
from pipeline.app.card import note_evaluation, write_card
from pipeline.app.checks import check_made, check_network, check_training
from pipeline.app.configs import apply_overrides, finish_replacing, is_half_made, read_configs, write_configs
from pipeline.app.joint_training import require_processes, train_jointly
from pipeline.app.resume import (
    changed_configs,
    open_configuration,
    progress_of,
    require_own_data,
    require_same_parts,
)
from pipeline.app.settings import check_settings
from pipeline.app.trust import require_trusted
from pipeline.core.errors import ConfigError
from pipeline.train.record import read_record

__all__ = ["Training", "begin", "evaluate_bundle", "go_on", "has_begun", "is_run", "recorded_data", "run_training"]

_AS_IT_IS = frozenset({"amp", "cases", "device"})
"""Settings of an evaluation that measures a bundle as it is, so that its card may tell it."""


@dataclass(frozen=True)
class Training:
    """What is trained on what.

    Attributes:
        bundle: folder of the bundle to train.
        data: data set or pack.
        settings: id -> value, a user's.
        code: id -> entry, the program's own, as of a network by name.
    """

    bundle: Path
    data: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)


def begin(training: Training, out: Path) -> ConfigWorkflow:
    """Check all that can be checked, then make the folder of a new training.

    Args:
        training: what is trained on what.
        out: folder that becomes the trained bundle: a new one, an empty one, or one in which nothing was trained yet.

    Returns:
        The training, ready to run, see `run_training`.

    Raises:
        ConfigError: the folder holds something, or the training cannot be as it is set.
        DatasetError: the data cannot be listed, or do not pass `read.gate`.
    """
    require_free(out)
    check_training(training.bundle, training.settings, training.code, data=training.data)
    if (output := training.settings.get("output_dir")) and (Path(output) / "run.json").exists():
        raise ConfigError(f"`output_dir` must be a run's own, and {output} holds another's records")
    copy_bundle(training.bundle, out, training.settings, code=training.code)
    return _open(out, training.data, resume=False)


def go_on(training: Training, out: Path) -> ConfigWorkflow:
    """Go on with a training: its own configuration, split and seed, on its own data; checked before anything changes.

    Args:
        training: its `data`; and `settings` of which those that may change are applied (`resume.MAY_CHANGE`), those
            that the run has already pass, and others are refused. `bundle` and `code` must be those that it was begun
            with; the run's own folder and nothing stand for them.
        out: the run's folder.

    Returns:
        The training, ready to run, see `run_training`.

    Raises:
        ConfigError: there is no run, or a setting that would make another run of it.
        DatasetError: other data, or data that do not pass `read.gate`.
        BundleError: the checkpoint cannot be read.
    """
    require_run(out)
    if training.bundle.resolve() != out.resolve():
        require_same_bundle(out, training.bundle)
    require_same_parts(out, training.code)
    changed = changed_configs(out, training.settings)
    check_settings(out, training.settings)
    check_network(changed["train"])
    parser = open_configuration(out, changed["train"], training.data)
    require_own_data(parser)
    output = Path(parser.get_parsed_content("output_dir"))
    is_fresh = progress_of(output) == (0, 0)
    if changed != read_configs(out):
        write_configs(out, changed)
    return _open(out, training.data, resume=True, fresh=is_fresh)


def run_training(workflow: ConfigWorkflow, out: Path, *, n_processes: int = 1) -> str:
    """Train, and write the bundle's card by what came of it.

    Args:
        workflow: of `begin` or `go_on`.
        out: the run's folder.
        n_processes: processes that share each batch, see `joint_training`.

    Returns:
        A line for the terminal.

    Raises:
        ConfigError: the processes cannot share the batches.
    """
    output = _output_of(out)
    before = progress_of(output)
    if n_processes > 1:
        require_processes(workflow, n_processes)
        train_jointly(workflow, out, n=n_processes)
    else:
        workflow.run()
        workflow.finalize()
    write_card(out, output=output)
    after = progress_of(output)
    if after == before:
        return (
            f"{out} has finished: nothing was left to train after epoch {after[0]}; `--set epochs=N` trains on, and "
            "`--set patience=N` where it stopped for want of a better validation"
        )
    return f"{out} is trained to epoch {after[0]}: weights in {workflow.parser.get_parsed_content('weights')}"


def evaluate_bundle(root: Path, data: Path, settings: Mapping[str, Any]) -> None:
    """Measure a bundle on labelled data; a trained one's card tells it, where the results lie within the bundle.

    Args:
        root: the bundle's folder.
        data: data set.
        settings: id -> value of its configuration `evaluate`, a user's.

    Raises:
        ConfigError: a setting that it does not have, or a value that cannot be.
    """
    changed = check_settings(root, settings)
    check_network(changed["train"])
    check_made(changed["evaluate"], ("inferer", "label_map_transforms"))
    overrides = {"dataset_dir": str(data), **settings}
    run_workflow(root, config="evaluate", run_id="evaluating", overrides=overrides)
    if is_run(root) and not settings.keys() - _AS_IT_IS:
        note_evaluation(root, _output_of(root), data)
        write_card(root, output=_output_of(root))


def require_free(out: Path) -> None:
    """Refuse a folder that holds anything but what a training left that never began.

    Raises:
        ConfigError: it holds something, or is a file.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"a training needs a folder, and {out} is a file")
    if not out.exists() or not any(out.iterdir()) or is_half_made(out) or (is_run(out) and not has_begun(out)):
        return
    further = ", or go on with the training that it holds by `--resume`" if is_run(out) else ""
    raise ConfigError(f"a new training needs a folder of its own, and {out} is not empty: choose another{further}")


def require_run(out: Path) -> None:
    """Refuse to go on where there is nothing to go on with.

    Raises:
        ConfigError: the folder is no run's.
    """
    finish_replacing(out)
    require_trusted(out)
    if not is_run(out) or (
        has_begun(out) and not (_output_of(out) / "run.json").is_file()
    ):  # an ensemble has no record
        raise ConfigError(f"there is no training in {out} to go on with: begin one there without `--resume`")


def require_same_bundle(out: Path, bundle: Path) -> None:
    """Refuse to go on with another bundle than a run was begun with.

    Raises:
        ConfigError: its name is another.
    """
    own = str(read_configs(out)["train"]["generated"]).removeprefix(COPIED).partition(",")[0].strip()
    if bundle.resolve().name != own:
        raise ConfigError(f"{out} goes on as it was begun, and that was with the bundle {own}, not {bundle.name}")


def recorded_data(out: Path) -> Path:
    """Where a run's data lay when it was begun, or was gone on with last.

    Raises:
        ConfigError: it has not begun, or recorded no place.
    """
    require_run(out)
    record = read_record(_output_of(out) / "run.json")
    if record is None or not record["data"]["source"]:
        raise ConfigError(f"the training in {out} has not begun and names no data: give `--data` or `--pack`")
    return Path(record["data"]["source"])


def has_begun(out: Path) -> bool:
    """Whether anything was trained in a run's folder, be it for a moment."""
    output = _output_of(out)
    return any((output / name).is_file() for name in ("run.json", "last.pt")) or any((out / "models").glob("*.pt"))


def is_run(out: Path) -> bool:
    """Whether a folder is one that a training of ours has made."""
    if not (out / "configs" / "train.json").is_file():
        return False
    return str(read_configs(out)["train"].get("generated", "")).startswith(COPIED)


def _output_of(out: Path) -> Path:
    require_trusted(out)
    parser = ConfigParser(read_configs(out)["train"])
    apply_overrides(parser, {"bundle_root": str(out)})
    return Path(parser.get_parsed_content("output_dir"))


def _open(out: Path, data: Path, *, resume: bool, fresh: bool = True) -> ConfigWorkflow:
    overrides = {"dataset_dir": str(data), "resume": resume}
    overrides |= {} if fresh else {"pretrained": None}  # the checkpoint holds what became of those weights
    return open_workflow(out, config="train", run_id="training", overrides=overrides)
